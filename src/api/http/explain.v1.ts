import type { FastifyInstance } from 'fastify';
import {
  type ExplainAsked,
  type Explanation,
  explain,
  formatQueueName,
  type Inspect,
  type Json,
  shownOption,
  subjectOf,
} from '../../model/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import { parseUuid } from '../../protocol/uuid/index.ts';
import { checkQuery, type Query, QueryError } from './inspected.ts';

const PARAMETERS = ['id', 'queue', 'from', 'to', 'tenant', 'campaign', 'routing_domain'];

/**
 * GET /api/admin/explain/v1: what becomes of a queued message (`id`), of the mail of a queue (`queue`), or of a message
 * from `from` to `to` with these metadata, and why. Changes nothing and takes nothing.
 */
export function explainEndpoint(app: FastifyInstance, inspect: Inspect): void {
  app.get('/api/admin/explain/v1', async (request) => {
    const about = askedIn(checkQuery(request.query, PARAMETERS));
    const { facts, logDirs } = await inspect('explain', { about });
    if (facts !== undefined) return { found: true, ...describe(explain(facts)), log_dirs: logDirs };
    const answer =
      'It is in no queue of this server. It has been delivered, has bounced or expired, or was never here: its records say.';
    return { found: false, subject: subjectOf(about), answer, log_dirs: logDirs };
  });
}

function askedIn(query: Query): ExplainAsked {
  const given = (name: string): string | undefined => {
    const value = query[name];
    if (value === undefined || typeof value === 'string') return value === '' ? undefined : value;
    throw new QueryError(`parameter '${name}' must be given once`);
  };
  const [id, queue, recipient] = [given('id'), given('queue'), given('to')];
  if ([id, queue, recipient].filter((one) => one !== undefined).length !== 1) {
    throw new QueryError("one of 'id', 'queue' and 'to' is needed");
  }
  if (id !== undefined) {
    const simple = parseUuid(id)?.hyphenated.replaceAll('-', '');
    if (simple === undefined) throw new QueryError(`'${id}' is no message id`);
    return { kind: 'message', id: simple };
  }
  if (queue !== undefined) return { kind: 'queue', name: queue };
  const address = addressIn(recipient!);
  const name = formatQueueName({
    domain: address.domain.toLowerCase(),
    tenant: given('tenant'),
    campaign: given('campaign'),
    routingDomain: given('routing_domain'),
  });
  return { kind: 'envelope', sender: given('from') ?? '', recipient: address.email, name };
}

function addressIn(text: string): EnvelopeAddress {
  const address = EnvelopeAddress.parse(text);
  if (address !== undefined && address.domain !== '') return address;
  throw new QueryError(`'${text}' is no address of a recipient`);
}

/** Times as text; what is secret is not shown. */
function describe({ subject, answer, obstacles, steps, queue, paths }: Explanation): object {
  const shown = (options: Explanation['queue']['options']): Json =>
    options.map(({ option, value, origin }) => ({
      option,
      value: shownOption(value),
      origin: { ...origin } as unknown as Json,
    }));
  return {
    subject,
    answer,
    obstacles: obstacles.map(({ clears, ...rest }) => ({
      ...rest,
      ...(clears !== undefined && { clears: new Date(clears).toISOString() }),
    })),
    steps,
    queue: { name: queue.name, options: shown(queue.options) },
    paths: paths.map(({ source, readyQueue, options }) => ({
      source,
      ready_queue: readyQueue,
      options: shown(options),
    })),
  };
}
