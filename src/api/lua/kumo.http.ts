import { type FormPart, formBody, HttpClient, WebSocketStream } from '../../io/http-client/index.ts';
import {
  bytes,
  defineFunction,
  defineModule,
  defineObject,
  duration,
  makeKind,
  map,
  methodsOf,
  optional,
  type RichKind,
  refuse,
  Several,
  string,
  typeOfValue,
} from '../../model/define/index.ts';
import { HttpResponse } from './http-response.ts';
import { type AwsParameters, awsSignature, awsTable } from './kumo.crypto.ts';

/** A request in the making; `send` may be called once. */
export class ClientRequest {
  readonly client: HttpClient;
  readonly method: string;
  readonly url: string;
  readonly headers = new Map<string, string>();
  body: Buffer | undefined;
  timeout: number | undefined;
  aws: AwsParameters | undefined;
  sent = false;

  constructor(client: HttpClient, method: string, url: string) {
    this.client = client;
    this.method = method;
    this.url = url;
  }

  /** Names are compared without regard to case. */
  setHeader(name: string, value: string): void {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new Error(`'${name}' is no name of a header`);
    if (/[\r\n\0]/.test(value)) throw new Error(`the value of ${name} has a line break in it`);
    for (const known of this.headers.keys()) {
      if (known.toLowerCase() === name.toLowerCase()) this.headers.delete(known);
    }
    this.headers.set(name, value);
  }
}

interface ClientParameters {
  readonly userAgent?: string;
  readonly timeout?: number;
  readonly poolIdleTimeout?: number;
  readonly acceptInvalidCerts: boolean;
}

/** The argument of build_client; unknown names are ignored, as KumoMTA does. */
const clientOptions = makeKind('table', 'kumo.HttpClientOptions', (value, at): ClientParameters => {
  const isEmptyList = Array.isArray(value) && value.length === 0;
  if (typeOfValue(value) !== 'table' && !isEmptyList) return refuse(at, 'a table', value);
  const given = value as Record<string, unknown>;
  const read = <T>(name: string, kind: RichKind<T>): T | undefined =>
    given[name] === undefined || given[name] === null ? undefined : kind.parse(given[name], name, true);
  const userAgent = read('user_agent', string());
  const timeout = read('timeout', duration());
  const poolIdleTimeout = read('pool_idle_timeout', duration());
  return {
    ...(userAgent !== undefined && { userAgent }),
    ...(timeout !== undefined && { timeout }),
    ...(poolIdleTimeout !== undefined && { poolIdleTimeout }),
    acceptInvalidCerts: given.accept_invalid_certs === true,
  };
});

export const httpModule = defineModule(
  'kumo.http',
  { doc: 'Requests over HTTP. Waiting for an answer holds up nothing else.' },
  {
    build_client: defineFunction({
      params: { options: clientOptions },
      returns: 'http_client',
      doc: 'A client that keeps connections: user_agent, timeout (60 s), pool_idle_timeout (90 s), accept_invalid_certs. connection_verbose is ignored.',
      call: ({ options }) => new HttpClient(options),
    }),
    connect_websocket: defineFunction({
      params: { url: string() },
      returns: 'websocket_stream, http_response',
      doc: 'A connection that receives texts, and the answer with which it began.',
      call: async ({ url }) => {
        const stream = await WebSocketStream.connect(url);
        const answer = {
          status: 101,
          reason: 'Switching Protocols',
          headers: [],
          body: Promise.resolve(Buffer.alloc(0)),
        };
        return new Several([stream, new HttpResponse(answer)]);
      },
    }),
    build_url: defineFunction({
      params: { base: string(), params: map(string()) },
      returns: 'string',
      doc: 'The URL with query parameters added.',
      call: ({ base, params }) => {
        const url = URL.parse(base);
        if (url === null) throw new Error(`'${base}' is no URL`);
        for (const [name, value] of Object.entries(params)) url.searchParams.append(name, value);
        return url.href;
      },
    }),
  },
);

const streamMethod = methodsOf<WebSocketStream>();

export const websocketStreamObject = defineObject(
  'websocket_stream',
  WebSocketStream,
  { doc: 'A connection that receives texts.' },
  {
    recv: streamMethod({
      returns: 'string?',
      doc: 'The next text, waiting for one. nil when the connection is closed.',
      call: (self) => self.receive(),
    }),
    recv_batch: streamMethod({
      params: { duration: duration() },
      returns: 'string[]',
      doc: 'All texts that arrive within this time. Raises an error when the connection is closed and there are none.',
      call: (self, { duration }) => self.receiveBatch(duration),
    }),
    close: streamMethod({
      doc: 'Ends the connection.',
      call: (self) => self.close(),
    }),
  },
);

const clientMethod = methodsOf<HttpClient>();
const starter = (method: string) =>
  clientMethod({
    params: { url: string() },
    returns: 'http_request',
    doc: `A ${method} request, sent by its send().`,
    call: (self, { url }) => new ClientRequest(self, method, url),
  });

export const httpClientObject = defineObject(
  'http_client',
  HttpClient,
  { doc: 'A client with its kept connections. Memoize it, or make it at the top of the policy.' },
  {
    get: starter('GET'),
    post: starter('POST'),
    put: starter('PUT'),
    close: clientMethod({
      doc: 'Closes the idle connections. Later requests fail.',
      call: (self) => self.close(),
    }),
  },
);

const method = methodsOf<ClientRequest>();

/** A method that changes the request and gives it back, so that calls can be chained. */
const setter = <P extends Parameters<typeof method>[0]['params']>(
  params: P,
  doc: string,
  // biome-ignore lint/suspicious/noExplicitAny: the arguments follow from `params`, which methodsOf checks.
  set: (self: ClientRequest, args: any) => void,
) =>
  method({
    params: params!,
    returns: 'http_request',
    doc,
    call: (self, args) => {
      if (self.sent) throw new Error('the request has been sent');
      set(self, args);
      return self;
    },
  });

/** Texts, or `{data, file_name}`. */
const formParts = makeKind(
  'table',
  'table<string, string|{data: string, file_name?: string}>',
  (value, at) => {
    if (typeOfValue(value) !== 'table') return refuse(at, 'a table', value);
    return Object.entries(value as object).map(([name, part]: [string, unknown]): FormPart => {
      if (typeOfValue(part) !== 'table')
        return { name, content: bytes().parse(part, `${at}.${name}`, false) };
      const { data, file_name: fileName } = part as Record<string, unknown>;
      return {
        name,
        content: bytes().parse(data, `${at}.${name}.data`, false),
        ...(typeof fileName === 'string' && { fileName }),
      };
    });
  },
);

function setBody(self: ClientRequest, body: Buffer, contentType?: string): void {
  self.body = body;
  if (contentType !== undefined) self.setHeader('Content-Type', contentType);
}

export const httpRequestObject = defineObject(
  'http_request',
  ClientRequest,
  { doc: 'A request in the making. All methods but send give it back.' },
  {
    header: setter({ name: string(), value: string() }, 'Sets a header.', (self, { name, value }) =>
      self.setHeader(name, value),
    ),
    headers: setter({ headers: map(string()) }, 'Sets several headers.', (self, { headers }) => {
      for (const [name, value] of Object.entries(headers as Record<string, string>))
        self.setHeader(name, value);
    }),
    body: setter({ body: bytes() }, 'What is sent.', (self, { body }) => setBody(self, body)),
    basic_auth: setter(
      { user: string(), password: optional(string()) },
      'Authenticates with user and password.',
      (self, { user, password }) =>
        self.setHeader(
          'Authorization',
          `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`,
        ),
    ),
    bearer_auth: setter({ token: string() }, 'Authenticates with a token.', (self, { token }) =>
      self.setHeader('Authorization', `Bearer ${token}`),
    ),
    timeout: setter({ timeout: duration() }, 'How long all of it may take.', (self, { timeout }) => {
      self.timeout = timeout;
    }),
    form_url_encoded: setter({ fields: map(string()) }, 'Sends the fields of a form.', (self, { fields }) =>
      setBody(self, Buffer.from(new URLSearchParams(fields).toString()), 'application/x-www-form-urlencoded'),
    ),
    form_multipart_data: setter({ parts: formParts }, 'Sends a form with files.', (self, { parts }) => {
      const { body, contentType } = formBody(parts);
      setBody(self, body, contentType);
    }),
    aws_sign_v4: setter(
      { parameters: awsTable },
      'Signs the request for Amazon Web Services; see kumo.crypto.aws_sign_v4.',
      (self, { parameters }) => {
        self.aws = parameters;
      },
    ),
    send: method({
      returns: 'http_response',
      doc: 'Sends the request and waits for the headers of the answer. Raises an error when there is none.',
      call: async (self, _, context) => {
        if (self.sent) throw new Error('the request has been sent');
        self.sent = true;
        const { client, method, url, headers, body, timeout, aws } = self;
        if (aws !== undefined) await addAwsSignature(self, aws, context);
        return new HttpResponse(await client.send({ method, url, headers, body, timeout }));
      },
    }),
  },
);

async function addAwsSignature(
  request: ClientRequest,
  aws: AwsParameters,
  context: Parameters<typeof awsSignature>[1],
): Promise<void> {
  const url = new URL(request.url);
  const headers = { ...Object.fromEntries(request.headers), host: url.host };
  const table = { payload: request.body, ...aws.table, headers };
  const signed = await awsSignature({ ...aws, table }, context, {
    method: request.method,
    uri: decodeURIComponent(url.pathname),
    query: Object.fromEntries(url.searchParams),
  });
  request.setHeader('Authorization', signed.authorization);
  request.setHeader('X-Amz-Date', signed.timestamp);
  const { session_token: token } = aws.table;
  if (typeof token === 'string') request.setHeader('X-Amz-Security-Token', token);
}
