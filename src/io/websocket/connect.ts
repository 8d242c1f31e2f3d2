import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { acceptOfKey } from '../../protocol/websocket/index.ts';
import { WebSocketConnection } from './websocket-connection.ts';

/** Of an answer that is a refusal, in octets. */
const MAX_REFUSAL = 4096;

/**
 * Opens a websocket. `url` begins with ws or wss. Rejects with an Error that says what the server answered, or why it
 * cannot be reached; `timeout` in ms.
 */
export function connectWebSocket(
  url: URL,
  options: { timeout: number; maxLength: number; onText: (text: string) => void },
): Promise<WebSocketConnection> {
  const key = randomBytes(16).toString('base64');
  const target = new URL(url);
  target.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
    },
  });
  return new Promise((resolve, reject) => {
    const late = `${url.origin} did not answer within ${options.timeout / 1000} s`;
    const timer = setTimeout(() => request.destroy(new Error(late)), options.timeout);
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error.message === late ? error : new Error(`cannot reach ${url.origin}: ${reasonOf(error)}`));
    });
    request.on('response', (response) => {
      void refusalOf(response).then((refusal) => {
        clearTimeout(timer);
        reject(new Error(refusal));
        request.destroy();
      });
    });
    request.on('upgrade', (response, socket, head) => {
      clearTimeout(timer);
      if (response.headers['sec-websocket-accept'] !== acceptOfKey(key)) {
        socket.destroy();
        reject(new Error(`${url.origin} does not speak websocket`));
        return;
      }
      const connection = new WebSocketConnection(socket, { role: 'client', maxLength: options.maxLength });
      resolve(connection);
      connection.receive(head, options.onText);
    });
    request.end();
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
