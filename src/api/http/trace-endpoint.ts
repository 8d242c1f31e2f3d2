import type { FastifyInstance } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { systemClock } from '../../io/clock/index.ts';
import { CLOSE, Upgrades, type WebSocketConnection } from '../../io/websocket/index.ts';
import { type OpenTraceOf, type TraceRequest, type TraceSide, traceFilter } from '../../model/index.ts';

/** The request says which sessions are wanted; it is the first frame, and has to come soon, ms. */
const REQUEST_PATIENCE = 30_000;
/** Octets of a request. */
const MAX_REQUEST = 262_144;

/** Texts of which any may fit. What is not asked for may be null, as clients of other languages write it. */
export const listOf = () =>
  Type.Optional(Type.Union([Type.Null(), Type.Array(Type.String(), { maxItems: 1000 })]));
export const terse = Type.Optional(Type.Union([Type.Null(), Type.Boolean()]));

const served = new WeakMap<FastifyInstance, Upgrades>();

/** One for the server, whatever the number of its endpoints. */
function upgradesOf(app: FastifyInstance): Upgrades {
  let upgrades = served.get(app);
  if (upgrades === undefined) {
    upgrades = new Upgrades(app.server, {
      maxLength: MAX_REQUEST,
      route: (request, response) => app.routing(request, response),
    });
    const all = upgrades;
    app.addHook('preClose', () => all.close());
    served.set(app, upgrades);
  }
  return upgrades;
}

/** A websocket at `path` that tells of the sessions of one side (operations.md 6). `schema` is that of the request. */
export function traceEndpoint(
  app: FastifyInstance,
  openTrace: OpenTraceOf,
  { path, side, schema }: { path: string; side: TraceSide; schema: TSchema },
): void {
  const check = Compile(schema);
  const upgrades = upgradesOf(app);
  app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
    const why = upgrades.whyNot(request.raw);
    if (why !== undefined) {
      void reply.header('upgrade', 'websocket').type('text/plain; charset=utf-8');
      return reply.code(426).send(`Error: ${why}`);
    }
    // Browsers let any page open a websocket, and say where it is from; nobody else does.
    if (request.headers.origin !== undefined) {
      void reply.type('text/plain; charset=utf-8');
      return reply.code(403).send('Error: not allowed from a web page');
    }
    const reader = new TraceReader();
    // Before the answer: nothing is missed that happens after it.
    const trace = await openTrace(side, (events) => reader.deliver(events)).catch((error: Error) => {
      throw Object.assign(error, { statusCode: 503 });
    });
    void reply.hijack();
    reader.serve(
      (onText) => upgrades.accept(request.raw, reply.raw, onText),
      trace,
      (text) => requestOf(text, check, side),
    );
    return reply;
  });
}

/** What the client wants. Throws an Error that says what is wrong with it. */
function requestOf(text: string, check: Validator, side: TraceSide): TraceRequest {
  const value: unknown = JSON.parse(text);
  if (!check.Check(value)) {
    const [first] = check.Errors(value);
    throw new Error(`${first?.instancePath || 'the request'} ${first?.message ?? 'has the wrong shape'}`);
  }
  const request = value as TraceRequest;
  traceFilter(request, side);
  return request;
}

/**
 * Who reads one trace. opening → awaiting the request → reading → gone. A reader who is slow holds up what is sent to
 * it, and nothing else.
 */
class TraceReader {
  #socket: WebSocketConnection | undefined;

  async deliver(events: readonly string[]): Promise<void> {
    const socket = this.#socket!;
    let keepsUp = true;
    for (const event of events) keepsUp = socket.send(event);
    if (!keepsUp) await socket.drained();
  }

  serve(
    accept: (onText: (text: string) => void) => WebSocketConnection | undefined,
    trace: Awaited<ReturnType<OpenTraceOf>>,
    parse: (text: string) => TraceRequest,
  ): void {
    let isAsked = false;
    const socket = accept((text) => {
      if (isAsked) return;
      isAsked = true;
      patience.cancel();
      try {
        trace.start(parse(text));
      } catch (error) {
        // The socket is there: a client speaks only after the answer.
        this.#socket!.close(CLOSE.policy, `bad request: ${(error as Error).message}`);
      }
    });
    if (socket === undefined) {
      trace.close();
      return;
    }
    this.#socket = socket;
    const patience = systemClock.after(REQUEST_PATIENCE, () => socket.close(CLOSE.policy, 'no request came'));
    void socket.whenClosed.then(() => {
      patience.cancel();
      trace.close();
    });
  }
}
