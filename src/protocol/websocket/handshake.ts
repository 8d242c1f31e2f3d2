import { createHash } from 'node:crypto';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2). */
export function acceptOfKey(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/** Request headers, by names in lower case. */
type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Whether a request wants to become a websocket. */
export function asksForWebSocket(headers: Headers): boolean {
  const isUpgrade = /(?:^|[,\s])upgrade(?:$|[,\s])/i.test(String(headers.connection ?? ''));
  return isUpgrade && String(headers.upgrade ?? '').toLowerCase() === 'websocket';
}

export const NO_WEBSOCKET = 'this endpoint is a websocket, and the request does not ask for one';

/** Why a request cannot become a websocket (RFC 6455 §4.2.1); undefined when it can. */
export function whyNoWebSocket(headers: Headers): string | undefined {
  if (!asksForWebSocket(headers)) return NO_WEBSOCKET;
  if (headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13';
  const key = headers['sec-websocket-key'];
  if (typeof key !== 'string' || !/^[A-Za-z0-9+/]{22}==$/.test(key)) return 'no proper Sec-WebSocket-Key';
  return undefined;
}
