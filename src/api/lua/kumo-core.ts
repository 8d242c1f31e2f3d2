import { usableCpus } from '../../io/cpu/index.ts';
import { rejectError } from '../../lua/index.ts';
import {
  type CallContext,
  defineFunction,
  integer,
  luaFunction,
  oneOf,
  optional,
  string,
  throttleSpec,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import { textForLog } from './log-text.ts';
import { NamedThrottle } from './throttle.ts';

/** SMTP reply codes are 16 bits at the boundary (policy-api.md 1.2). */
const replyCode = () => integer({ min: 0, max: 65_535 });

export const coreFunctions = {
  on: defineFunction({
    params: { event: string(), handler: luaFunction('fun(...): any') },
    doc: 'Registers the handler of an event. Only while the policy is loaded, not inside a handler.',
    call: ({ event, handler }, context) => context.register(event, handler),
  }),
  reject: defineFunction({
    params: { code: replyCode(), message: string() },
    doc: 'Ends the handler and refuses with this SMTP reply. A code of 421 also closes the connection.',
    call: ({ code, message }) => {
      throw rejectError(code, message);
    },
  }),
  disconnect: defineFunction({
    params: {
      code: replyCode(),
      message: string(),
      mode: optional(oneOf('ForceDisconnect', 'FollowWith421', 'If421'), 'ForceDisconnect'),
    },
    doc: 'As kumo.reject, and closes the connection; FollowWith421 says so in a reply of its own.',
    call: ({ code, message, mode }) => {
      throw rejectError(code, message, mode);
    },
  }),
  make_throttle: defineFunction({
    params: { name: string(), spec: throttleSpec() },
    returns: 'throttle',
    doc: 'A budget of requests by name, shared by all of the process.',
    call: ({ name, spec }) => new NamedThrottle(`lua-user-throttle-${name}`, spec),
  }),
  validation_failed: defineFunction({
    params: { why: optional(string()) },
    doc: 'Makes `moonpost --validate` end with status 1, and a changed policy not come into service. `why`: what was found, a line for each finding.',
    call: ({ why }, { host }) => host.validationFailed(why),
  }),
  available_parallelism: defineFunction({
    returns: 'integer',
    doc: 'Number of CPUs that may be used. KUMO_AVAILABLE_PARALLELISM in the environment overrides it.',
    call: () => usableCpus(),
  }),
  log_error: logFunction('error', 'Writes a line to the diagnostic log, with file and line of the call.'),
  log_warn: logFunction('warn', 'As kumo.log_error, as a warning.'),
  log_info: logFunction('info', 'As kumo.log_error, for information.'),
  log_debug: logFunction('debug', 'As kumo.log_error, for finding faults; not shown by default.'),
} satisfies Record<string, UnnamedFunction>;

function logFunction(level: 'error' | 'warn' | 'info' | 'debug', doc: string): UnnamedFunction {
  return defineFunction({
    rest: unchecked(),
    doc,
    call: (_, context: CallContext, rest) => {
      context.host.diagnostics[level]('lua', `${context.where()}: ${rest.map(textForLog).join(' ')}`);
    },
  });
}
