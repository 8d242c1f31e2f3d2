import type { FastifyInstance, InjectOptions } from 'fastify';
import { onTestFinished } from 'vitest';
import { type HttpParts, makeHttp } from '../../../src/api/http/index.ts';
import { type AuditRecord, accessControl } from '../../../src/model/access/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { MaybePromise, PolicyResult } from '../../../src/model/index.ts';
import { httpListenerOptions } from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

/** A policy as a table of what its events answer; whatever is thrown is an error of the policy. */
export type Handlers = Record<string, (...args: unknown[]) => unknown>;

export interface HttpBench {
  app: FastifyInstance;
  clock: FakeClock;
  /** Events that were fired, with their arguments. */
  fired: unknown[][];
  records: AuditRecord[];
  /** What the diagnostic log was told. */
  said: string[];
  /** Origins of what was injected. */
  injected: { auth: unknown; peer: string }[];
  state: { epoch: number; stalled: boolean };
  /** Of what was declared in init. */
  declared: Record<string, unknown>;
  /** Status and text of one request. */
  ask(path: string, options?: Omit<InjectOptions, 'url'>): Promise<[number, string]>;
}

/** What the HTTP API asks, and what becomes of it. */
export function benchParts(handlers: Handlers = {}): Omit<HttpBench, 'app' | 'ask'> & { parts: HttpParts } {
  const clock = new FakeClock();
  const fired: unknown[][] = [];
  const records: AuditRecord[] = [];
  const said: string[] = [];
  const injected: HttpBench['injected'] = [];
  const state = { epoch: 1, stalled: false };
  const declared: Record<string, unknown> = {};
  const say = (_target: string, text: string): void => void said.push(text);
  const host = { clock, declared: (kind: string) => declared[kind], configEpoch: () => state.epoch };
  const parts = {
    hostname: 'mta.example',
    refusal: () => undefined,
    access: {
      policy: {
        handles: (event: string) => event in handlers,
        fire: (event: string, args: readonly unknown[]): MaybePromise<PolicyResult> => {
          if (handlers[event] === undefined) return { kind: 'absent' };
          fired.push([event, ...args]);
          try {
            return { kind: 'values', values: [handlers[event](...args)] };
          } catch (error) {
            return { kind: 'error', message: (error as Error).message };
          }
        },
      },
      clock,
      diagnostics: { error: say, warn: say, info: say, debug: say },
      epoch: () => state.epoch,
      control: accessControl(host),
      audit: {
        get isStalled() {
          return state.stalled;
        },
        write: (record: AuditRecord) => void records.push(structuredClone(record)),
      },
    },
    injection: {
      post: async (_body: unknown, origin: HttpBench['injected'][0]) => {
        injected.push(origin);
        return { success_count: 1, fail_count: 0, failed_recipients: [], errors: [] };
      },
    },
    async *readMetrics() {
      yield Buffer.from('a_metric 1\n'.repeat(1000));
    },
  } as unknown as HttpParts;
  return { parts, clock, fired, records, said, injected, state, declared };
}

/** The HTTP API of one listener on 127.0.0.1:8000, which is asked without a network. */
export async function httpBench(
  handlers: Handlers = {},
  more: { options?: object; parts?: Partial<HttpParts> } = {},
): Promise<HttpBench> {
  const { parts: own, ...bench } = benchParts(handlers);
  const parts = { ...own, ...more.parts };
  const app = await makeHttp(parseOptions(httpListenerOptions, more.options ?? {}), parts);
  onTestFinished(() => app.close());
  const ask: HttpBench['ask'] = async (url, options = {}) => {
    const { statusCode, body } = await app.inject({ remoteAddress: '192.0.2.1', ...options, url });
    return [statusCode, body];
  };
  return { app, ask, ...bench };
}

export const LOCAL = { remoteAddress: '127.0.0.1' };

export function basic(user: string, password?: string): { authorization: string } {
  const text = password === undefined ? user : `${user}:${password}`;
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}
