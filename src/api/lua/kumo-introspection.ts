import { usableMemory } from '../../io/memory/index.ts';
import {
  type CallContext,
  defineFunction,
  integer,
  optional,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { declaredMemory, type MemoryLimits } from '../../model/index.ts';

const FRAME = '{name: string?, what: string?, short_src: string, currentline: integer?}';

/** The limits that hold, with those that the policy set in pre_init. */
function limits({ host }: CallContext): MemoryLimits {
  return usableMemory(declaredMemory((kind) => host.declared?.(kind)));
}

function limit(doc: string, read: (context: CallContext) => number): UnnamedFunction {
  return defineFunction({ returns: 'integer?', doc, call: (_, context) => read(context) });
}

export const introspectionFunctions: Readonly<Record<string, UnnamedFunction>> = {
  get_memory_hard_limit: limit(
    'Bytes of memory that are never exceeded; all there is unless it was set.',
    (context) => limits(context).hard,
  ),
  get_memory_soft_limit: limit(
    'Bytes from which no mail is taken; 75 % of the hard limit unless it was set.',
    (context) => limits(context).soft,
  ),
  get_memory_low_thresh: limit(
    'Bytes from which memory is saved; 80 % of the soft limit unless it was set.',
    (context) => limits(context).low,
  ),
  get_event_registrars: defineFunction({
    params: { event: string() },
    returns: `${FRAME}[][]`,
    doc: 'For each handler of an event, where it was registered.',
    call: ({ event }, context) => context.registrars(event),
  }),
  traceback: defineFunction({
    params: { level: optional(integer({ min: 0 }), 0) },
    returns: `${FRAME}[]`,
    doc: 'The calls in progress, innermost first; the first `level` are left out.',
    call: ({ level }, context) => context.callStack(level),
  }),
  prometheus_metrics: defineFunction({
    returns: 'string',
    doc: 'The metrics of the process in the text format of Prometheus.',
    call: (_, { host }) => {
      if (host.metricsText === undefined) throw new Error('there are no metrics before mail is taken');
      return host.metricsText();
    },
  }),
};
