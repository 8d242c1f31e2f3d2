import { pipeline, Transform, type TransformCallback } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import type { FastifyInstance, RequestPayload } from 'fastify';

/** Bodies that unpack to more than this must not be that much larger than they came. */
const FREE_BYTES = 1024 * 1024;
const HIGHEST_RATIO = 200;

/** What clients know of a body that is too large (operations.md 2.2). */
export const TOO_LARGE = 'Failed to buffer the request body: length limit exceeded';

/** What is wrong with a body as a whole. */
export class BodyError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, text: string) {
    super(text);
    this.statusCode = statusCode;
  }
}

/** Passes on what was unpacked, and counts it. Fastify reads `receivedEncodedLength` beside its own count. */
class Unpacked extends Transform {
  receivedEncodedLength = 0;
  #bytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    const isBomb =
      this.#bytes > FREE_BYTES && this.#bytes > HIGHEST_RATIO * Math.max(1, this.receivedEncodedLength);
    if (isBomb) done(new BodyError(413, TOO_LARGE));
    else done(null, chunk);
  }
}

/** Unpacks bodies in gzip and deflate (RFC 9110 §8.4.1); what unpacks to too much is answered 413, other codings 415. */
export function unpackBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain');
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const coding = request.headers['content-encoding']?.trim().toLowerCase();
    if (coding === undefined || coding === '' || coding === 'identity') done(null, payload);
    else if (coding === 'gzip' || coding === 'x-gzip') done(null, unpack(payload, createGunzip()));
    else if (coding === 'deflate') done(null, unpack(payload, createInflate()));
    else done(new BodyError(415, 'the Content-Encoding of a body can be gzip or deflate'));
  });
}

/** Routes whose `config.plainJson` is set take `__proto__` as a key like any other; the others refuse it. */
export function parseJson(app: FastifyInstance): void {
  const guarded = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const { plainJson } = request.routeOptions.config as { plainJson?: boolean };
    // Where no body is asked for, none is as good as `null`, which is what the stock clients send.
    if (body === '' && request.routeOptions.schema?.body === undefined) return done(null, null);
    if (plainJson !== true) return guarded(request, body as string, done);
    let parsed: unknown;
    try {
      parsed = JSON.parse(body as string);
    } catch {
      // The text of the error would quote the body.
      return done(new BodyError(400, 'the body is not JSON'));
    }
    done(null, parsed);
  });
}

function unpack(payload: RequestPayload, unpacking: Transform): RequestPayload {
  const unpacked = new Unpacked();
  // What is wrong is an error of the last stream, which fastify reads.
  pipeline(payload, counting(unpacked), unpacking, unpacked, () => {});
  return unpacked;
}

/** Counts what comes in. */
function counting(unpacked: Unpacked): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      unpacked.receivedEncodedLength += chunk.length;
      done(null, chunk);
    },
  });
}
