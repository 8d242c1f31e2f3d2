import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { WebSocket } from 'ws';
import { limitsOf, WebSocketConnection } from './websocket-connection.ts';

/** Of an answer that is a refusal, in octets. */
const MAX_REFUSAL = 4096;

/**
 * Opens a websocket. `url` begins with ws or wss, and may name a user and a password. Rejects with an Error that says
 * what the server answered, or why it cannot be reached; `timeout` in ms.
 */
export function connectWebSocket(
  url: URL,
  options: { timeout: number; maxLength: number; onText: (text: string) => void },
): Promise<WebSocketConnection> {
  const { timeout, maxLength, onText } = options;
  const socket = new WebSocket(url, { perMessageDeflate: false, ...limitsOf(maxLength) });
  const connection = new WebSocketConnection(socket, onText);
  return new Promise((resolve, reject) => {
    const late = new Error(`${url.origin} did not answer within ${timeout / 1000} s`);
    const timer = setTimeout(() => fail(late), timeout);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
      socket.terminate();
    };
    let unreachable = (error: Error): Error => new Error(`cannot reach ${url.origin}: ${reasonOf(error)}`);
    socket.on('upgrade', () => {
      unreachable = () => new Error(`${url.origin} does not speak websocket`);
    });
    // Those that come later tell nobody anything new.
    socket.on('error', (error) => fail(unreachable(error)));
    socket.on('unexpected-response', (_request, response) => {
      void refusalOf(response).then((refusal) => fail(new Error(refusal)));
    });
    socket.on('open', () => {
      clearTimeout(timer);
      resolve(connection);
    });
  });
}

/** Of an address with several IPs the error of each is in `errors`, and the message is empty. */
function reasonOf(error: Error): string {
  const { errors } = error as AggregateError;
  const text = error.message || (errors?.[0] as Error | undefined)?.message || error.name;
  return text.trim();
}

async function refusalOf(response: IncomingMessage): Promise<string> {
  let body = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      body += chunk;
      if (body.length >= MAX_REFUSAL) break;
    }
  } catch {
    // What came says enough.
  }
  const status = response.statusCode ?? 0;
  const reason = STATUS_CODES[status] ?? 'unknown';
  return `request status ${status}: ${reason}. Response body: ${body.slice(0, MAX_REFUSAL).trim()}`;
}
