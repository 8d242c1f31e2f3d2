import {
  boolean,
  defineFunction,
  defineModule,
  instanceOf,
  list,
  makeKind,
  optional,
  string,
} from '../../model/define/index.ts';
import {
  beginTransfer,
  endTransfer,
  Message,
  parseTransferTarget,
  queueNameOf,
  TimeDelta,
  TransferError,
  transferTarget,
} from '../../model/index.ts';

const message = () => instanceOf(Message, 'message');

/** Milliseconds, from what the event requeue_message is given. */
const delayArgument = () =>
  makeKind('time_delta', 'time_delta|number', (value, at) => {
    if (value instanceof TimeDelta) return value.milliseconds;
    if (typeof value === 'number') return value * 1000;
    throw new Error(`${at}: expected the delay of the event requeue_message`);
  });

function targetOf(self: Message): string | undefined {
  return transferTarget(queueNameOf(self));
}

/** Changes where the message goes; with a reason, an AdminRebind record tells of it once it is there. */
function change(self: Message, reason: string | undefined, work: () => void): void {
  const from = queueNameOf(self);
  work();
  self.moved = reason === undefined ? undefined : { from, reason };
}

export const xferModule = defineModule(
  'kumo.xfer',
  { doc: 'Transfer of messages to other nodes, which are Moonposts too.' },
  {
    xfer: defineFunction({
      params: { message: message(), target: string(), reason: optional(string()) },
      doc:
        'Sends the message to the node with this URL, such as http://10.0.0.1:8000, where it goes on as it would have ' +
        'here. For the events of reception and rebind_message. With a reason it has an AdminRebind record.',
      call: ({ message: self, target, reason }) => {
        const node = parseTransferTarget(target);
        change(self, reason, () => beginTransfer(self, node));
      },
    }),
    xfer_in_requeue: defineFunction({
      params: {
        message: message(),
        target: string(),
        insert_context: list(string()),
        increment_attempts: boolean(),
        delay: optional(delayArgument()),
        reason: optional(string()),
      },
      doc:
        'As xfer, for the event requeue_message, whose arguments it takes: the other node makes the next attempt when ' +
        'this one would have; at once without a delay.',
      call: ({ message: self, target, increment_attempts, delay, reason }, { host }) => {
        const node = parseTransferTarget(target);
        if (targetOf(self) === undefined) {
          if (increment_attempts) self.attempts++;
          self.due = delay === undefined ? 0 : host.clock.now() + delay;
        }
        change(self, reason, () => beginTransfer(self, node));
      },
    }),
    cancel_xfer: defineFunction({
      params: { message: message(), reason: optional(string()) },
      doc: 'The message does not go to another node but where it would have gone. Raises an error when it is not on its way.',
      call: ({ message: self, reason }) => {
        if (targetOf(self) === undefined)
          throw new TransferError('the message is not on its way to another node');
        change(self, reason, () => endTransfer(self));
      },
    }),
    get_xfer_target: defineFunction({
      params: { message: message() },
      returns: 'string|nil',
      doc: 'URL of the node that the message is on its way to.',
      call: ({ message: self }) => targetOf(self),
    }),
  },
);
