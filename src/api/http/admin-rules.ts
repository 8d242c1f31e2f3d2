import type { FastifyInstance, FastifyReply } from 'fastify';
import { type OptionsDeclaration, PolicyValueError, parseOptions } from '../../model/define/index.ts';
import {
  type AdminKind,
  type AdminPort,
  type AdminTarget,
  describeRule,
  type Inspect,
  type NewRule,
} from '../../model/index.ts';
import { type AdminRuleOptions, newRule } from '../../model/options/index.ts';
import { parseUuid } from '../../protocol/uuid/index.ts';
import { describePreview, splitDryRun } from './dry-run.ts';

/** One kind of rules of administrators, as an endpoint has it. */
export interface RuleEndpoint {
  path: string;
  kind: AdminKind;
  /** What such a rule is called in answers. */
  noun: string;
  /** Of the body of POST. */
  options: OptionsDeclaration<AdminRuleOptions>;
  /** Whether a new rule looks for what waits in the queues. */
  sweep: boolean;
  /** The answer to POST. */
  answer: (id: string) => object;
}

/** What these endpoints need of the process. */
export interface RuleParts {
  admin: AdminPort;
  inspect: Inspect;
}

/**
 * POST, GET and DELETE of one kind of rules (operations.md 5.1 to 5.3). A change is answered when every shard has it;
 * with `dry_run` nothing is changed. `now` in ms since the epoch.
 */
export function ruleEndpoint(
  app: FastifyInstance,
  endpoint: RuleEndpoint,
  { admin: port, inspect }: RuleParts,
  now: () => number,
): void {
  const { path, kind } = endpoint;
  app.post(path, async (request, reply) => {
    const { dryRun, body } = splitDryRun(request.body);
    const rule = parseRule(endpoint, body, now());
    if (typeof rule === 'string') return refuse(reply, 422, rule);
    if (dryRun) return describePreview(await inspect('preview', targetOf(kind, rule)));
    const result = await port.put(kind, rule, endpoint.sweep);
    return 'id' in result ? endpoint.answer(result.id) : refuse(reply, 400, result.problem);
  });
  app.get(path, async () => {
    const listed = await port.list(kind);
    return listed.map((one) => describeRule(kind, one, now()));
  });
  app.delete(path, async (request, reply) => {
    const { dryRun, body } = splitDryRun(request.body);
    const given = idIn(body);
    if (given === undefined) return refuse(reply, 422, `expected {"id": UUID} and nothing else`);
    const id = parseUuid(given)?.hyphenated;
    if (id === undefined) return refuse(reply, 422, `'${given}' is no UUID`);
    if (dryRun) {
      const found = (await port.list(kind)).find(({ rule }) => rule.id === id);
      if (found !== undefined) return describePreview(await inspect('preview', targetOf(kind, found.rule)));
    } else if (await port.delete(kind, id)) return text(reply).send(`removed ${id}`);
    return text(reply).code(404).send(`${endpoint.noun} entry ${id} not found`);
  });
}

/** The rule, or what is wrong with it. */
function parseRule({ options }: RuleEndpoint, body: unknown, now: number): NewRule | string {
  try {
    return newRule(parseOptions(options, body ?? {}), now);
  } catch (error) {
    if (error instanceof PolicyValueError) return error.message;
    throw error;
  }
}

/** Whose mail the rule is about. */
function targetOf(kind: AdminKind, { selector }: Pick<NewRule, 'selector'>): AdminTarget {
  if (kind !== 'suspend-ready-q') return { kind: 'scheduled', selector };
  return { kind: 'ready', name: selector.queue_names?.[0] ?? '' };
}

function idIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || Object.keys(body).join() !== 'id') return undefined;
  const { id } = body as { id: unknown };
  return typeof id === 'string' ? id : undefined;
}

function refuse(reply: FastifyReply, code: number, why: string): FastifyReply {
  return text(reply).code(code).send(`Error: ${why}`);
}

function text(reply: FastifyReply): FastifyReply {
  return reply.type('text/plain; charset=utf-8');
}
