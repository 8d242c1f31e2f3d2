import type { InjectionResponse } from '../../src/model/index.ts';

export interface Posted {
  status: number;
  text: string;
}

/** Posts to the injection API on a connection of its own, so that any shard may answer. */
export async function postInjection(
  port: number,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Posted> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`http://127.0.0.1:${port}/api/inject/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close', ...headers },
    body: isRaw ? (body as string) : JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

/** The answer of a request that is taken. Throws with the status otherwise. */
export async function injected(port: number, body: unknown): Promise<InjectionResponse> {
  const { status, text } = await postInjection(port, body);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as InjectionResponse;
}

/** A request that is taken. */
export const wanted = (changes: object = {}): object => ({
  envelope_sender: 'sender@source.example',
  recipients: [{ email: 'rcpt@dest.example', name: 'Ann' }],
  content: { text_body: 'Hello {{ name }}', subject: 'greetings', from: { email: 'from@source.example' } },
  ...changes,
});
