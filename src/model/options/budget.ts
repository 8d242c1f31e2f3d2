import { defineOptions, duration, field, integer, type OptionsOf } from '../define/index.ts';

const MIB = 1024 * 1024;

/** What a run of policy may use. The engine's own numbers are these defaults; see src/lua/budget.ts. */
export const budgetOptions = defineOptions(
  'kumo.policy.set_budget',
  {
    luaClass: 'kumo.BudgetOptions',
    doc:
      'What one call of a handler, or the loading of the policy, may use. A handler over cpu_time, instructions, memory ' +
      'or unbroken_time is stopped, which pcall does not catch; in SMTP its command is answered 451 and the session ' +
      'goes on. depth, string_size and pattern_steps are limits whose errors Lua can catch.',
  },
  {
    cpu_time: field(duration(), {
      default: '200ms',
      extension: true,
      doc: 'How long one call of a handler may run. Waiting (DNS, HTTP, sleep) does not count.',
    }),
    load_time: field(duration(), {
      default: '5s',
      extension: true,
      doc: 'How long loading the policy may run, and each of the events pre_init, init, validate_config and config_epoch_changed. In effect from the call on, so it belongs to the top of the file.',
    }),
    instructions: field(integer({ min: 10_000, max: 1e12 }), {
      default: 50_000_000,
      extension: true,
      doc: 'Most instructions of one call of a handler. What libraries do counts as the instructions that take as long.',
    }),
    memory: field(integer({ min: MIB, max: 1024 * MIB }), {
      default: 128 * MIB,
      extension: true,
      doc: 'Most bytes that one call of a handler allocates in strings, tables, functions and coroutines.',
    }),
    unbroken_time: field(duration(), {
      default: '10ms',
      extension: true,
      doc:
        'How long a handler may run where it cannot be suspended for other sessions: in __tostring, __close, handlers of ' +
        'xpcall, a single pattern match. Elsewhere it is suspended every 5 ms.',
    }),
    call_time: field(duration(), {
      default: '50ms',
      extension: true,
      doc:
        'How long a single call of a function on a long text (a regex, parsing JSON, splitting) is expected to take at ' +
        'most; one that would take longer raises an error. Nothing else on the shard goes on meanwhile.',
    }),
    depth: field(integer({ min: 200, max: 50_000 }), {
      default: 20_000,
      extension: true,
      doc: 'Most function calls inside each other; one more is the error "stack overflow".',
    }),
    string_size: field(integer({ min: 65_536, max: 256 * MIB }), {
      default: 8 * MIB,
      extension: true,
      doc: 'Longest string that `..`, string.rep, gsub, format and concat build, in bytes.',
    }),
    pattern_steps: field(integer({ min: 1000, max: 1_000_000_000 }), {
      default: 4_000_000,
      extension: true,
      doc: 'Most steps of one call of string.find, match, gmatch or gsub, beside 32 for each byte of its subject.',
    }),
  },
);

export type BudgetOptions = OptionsOf<typeof budgetOptions>;
