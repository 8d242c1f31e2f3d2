import type { HttpAnswer } from '../../io/http-client/index.ts';
import { defineObject, methodsOf } from '../../model/define/index.ts';

/** An answer; its body is asked for once or more. */
export class HttpResponse {
  readonly answer: HttpAnswer;

  constructor(answer: HttpAnswer) {
    this.answer = answer;
  }
}

/** Headers by name without regard to case. */
export class HttpHeaders {
  readonly #values = new Map<string, string>();

  constructor(headers: HttpAnswer['headers']) {
    for (const [name, value] of headers) {
      const known = this.#values.get(name.toLowerCase());
      this.#values.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
    }
  }

  get(name: unknown): string | undefined {
    return this.#values.get(String(name).toLowerCase());
  }

  entries(): ReadonlyMap<string, string> {
    return this.#values;
  }
}

const method = methodsOf<HttpResponse>();

const statusTest = (name: string, first: number) =>
  method({
    returns: 'boolean',
    doc: `Whether the status is one of ${name}, ${first}xx.`,
    call: ({ answer }) => Math.floor(answer.status / 100) === first,
  });

export const httpResponseObject = defineObject(
  'http_response',
  HttpResponse,
  { doc: 'The answer to a request.' },
  {
    status_code: method({ returns: 'integer', doc: 'The status.', call: ({ answer }) => answer.status }),
    status_reason: method({
      returns: 'string',
      doc: 'What the server says of the status.',
      call: ({ answer }) => answer.reason,
    }),
    status_is_informational: statusTest('information', 1),
    status_is_success: statusTest('success', 2),
    status_is_redirection: statusTest('redirection', 3),
    status_is_client_error: statusTest('errors of the client', 4),
    status_is_server_error: statusTest('errors of the server', 5),
    headers: method({
      returns: 'http_headers',
      doc: 'The headers.',
      call: ({ answer }) => new HttpHeaders(answer.headers),
    }),
    content_length: method({
      returns: 'integer?',
      doc: 'Length of the body where the server says it.',
      call: ({ answer }) => {
        const length = new HttpHeaders(answer.headers).get('content-length');
        return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
      },
    }),
    text: method({
      returns: 'string',
      doc: 'The body as text; bytes that are not UTF-8 become U+FFFD.',
      call: async ({ answer }) => (await answer.body).toString(),
    }),
    bytes: method({ returns: 'string', doc: 'The body.', call: ({ answer }) => answer.body }),
  },
);

export const httpHeadersObject = defineObject('http_headers', HttpHeaders, {
  doc: 'Headers of an answer. Index them with a name in any case.',
  entries: (self) => self.entries(),
  index: (self, key) => self.get(key),
});
