import type { FastifyReply } from 'fastify';
import type { InspectedMessage, Json } from '../../model/index.ts';

/** Query parameters of the endpoints that show queues. They come as text, and `null` is sent as the body by clients. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

/** Anything else in a query is answered 400. */
export class QueryError extends Error {
  readonly statusCode = 400;
}

/** The parameters by name; what is not among `names` is an error. */
export function checkQuery(query: unknown, names: readonly string[]): Query {
  const unknown = Object.keys(query as object).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new QueryError(`unknown parameter '${unknown}', expected ${names.join(', ')}`);
  return query as Query;
}

export function requiredText(query: Query, name: string): string {
  const value = query[name];
  if (typeof value !== 'string' || value === '') throw new QueryError(`parameter '${name}' is missing`);
  return value;
}

/** False when it is absent. */
export function flag(query: Query, name: string): boolean {
  const value = query[name];
  if (value !== undefined && value !== 'true' && value !== 'false') {
    throw new QueryError(`parameter '${name}' must be true or false`);
  }
  return value === 'true';
}

/** A message as the reference shows it (operations.md 5.4). */
export function describeMessage(message: InspectedMessage): { [key: string]: Json } {
  const { sender, recipients, meta, data, scheduling } = message;
  const recipient = recipients.length === 1 ? recipients[0]! : recipients;
  return { sender, recipient, meta, data, ...(scheduling !== undefined && { scheduling }) };
}

export function refuse(reply: FastifyReply, code: number, why: string): FastifyReply {
  return reply.code(code).type('text/plain; charset=utf-8').send(`Error: ${why}`);
}
