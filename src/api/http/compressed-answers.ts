import { Readable } from 'node:stream';
import { createDeflate, createGzip, deflate, gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Shorter answers are sent as they are. */
const WORTH_IT = 1024;
/** Compressed at a time; others are sent as they are meanwhile, so that clients cannot take the machine's time. */
const MOST_AT_A_TIME = 4;
/** Speed before size: the thread pool writes the disk too. */
const level = 1;

type Coding = 'gzip' | 'deflate';

/** Compresses answers for clients that take it (RFC 9110 §12.5.3), in the thread pool; streams piece by piece. */
export function compressAnswers(app: FastifyInstance): void {
  let underWay = 0;
  app.addHook('onSend', async (request, reply, payload) => {
    const coding = chosenCoding(request.headers['accept-encoding']);
    if (coding === undefined || request.method === 'HEAD' || !isFit(reply, payload)) return payload;
    if (underWay >= MOST_AT_A_TIME) return payload;
    underWay++;
    if (payload instanceof Readable) {
      mark(reply, coding);
      const compressing = coding === 'gzip' ? createGzip({ level }) : createDeflate({ level });
      // What is there is sent: a client that reads slowly gets what was measured when it asked.
      compressing.once('close', () => underWay--);
      payload.once('error', (error) => compressing.destroy(error));
      compressing.once('close', () => payload.destroy());
      return payload.pipe(compressing);
    }
    try {
      const packed = await pack(coding, payload as string | Buffer);
      mark(reply, coding);
      return packed;
    } finally {
      underWay--;
    }
  });
}

function isFit(reply: FastifyReply, payload: unknown): boolean {
  if (reply.statusCode === 204 || reply.hasHeader('content-encoding')) return false;
  if (payload instanceof Readable) return true;
  return (typeof payload === 'string' || Buffer.isBuffer(payload)) && payload.length >= WORTH_IT;
}

function mark(reply: FastifyReply, coding: Coding): void {
  void reply
    .header('content-encoding', coding)
    .header('vary', 'accept-encoding')
    .removeHeader('content-length');
}

function pack(coding: Coding, payload: string | Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, packed: Buffer): void =>
      error === null ? resolve(packed) : reject(error);
    if (coding === 'gzip') gzip(payload, { level }, done);
    else deflate(payload, { level }, done);
  });
}

/** The one of the two that the client likes best; undefined when it takes neither, or rather none at all. */
export function chosenCoding(header: string | string[] | undefined): Coding | undefined {
  if (header === undefined) return undefined;
  const weights = new Map<string, number>();
  for (const part of String(header).slice(0, 1000).toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const weight = q === undefined ? 1 : Number(q);
    weights.set(name === 'x-gzip' ? 'gzip' : name, Number.isNaN(weight) ? 0 : weight);
  }
  const any = weights.get('*') ?? 0;
  const [packed, deflated] = [weights.get('gzip') ?? any, weights.get('deflate') ?? any];
  const best = Math.max(packed, deflated);
  if (best <= 0 || best < (weights.get('identity') ?? 0)) return undefined;
  return packed >= deflated ? 'gzip' : 'deflate';
}
