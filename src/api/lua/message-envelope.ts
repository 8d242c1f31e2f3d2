import {
  anyOf,
  anyValue,
  bytes,
  list,
  makeKind,
  methodsOf,
  PolicyValueError,
  type RichKind,
  refuse,
  string,
} from '../../model/define/index.ts';
import { getOwn, type Message, queueNameOf, setOwn } from '../../model/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';

const method = methodsOf<Message>();

/** An address as text or as object. */
function address(): RichKind<EnvelopeAddress> {
  return makeKind('address', 'string|address', (value, at) => {
    if (value instanceof EnvelopeAddress) return value;
    if (typeof value !== 'string') return refuse(at, 'a mail address', value);
    const parsed = EnvelopeAddress.parse(value);
    if (parsed === undefined) throw new PolicyValueError(`${at}: '${value}' is no mail address`);
    return parsed;
  });
}

export const envelopeMethods = {
  id: method({
    returns: 'string',
    doc: '32 hexadecimal digits. The time in them is when the message was made.',
    call: (self) => self.id,
  }),
  sender: method({ returns: 'address', doc: 'Envelope sender.', call: (self) => self.sender }),
  set_sender: method({
    params: { sender: address() },
    doc: 'Replaces the envelope sender.',
    call: (self, { sender }) => {
      self.sender = sender;
      self.dirty = true;
    },
  }),
  recipient: method({
    returns: 'address|address[]|nil',
    doc: 'Envelope recipient; a list when there are several, nil when there is none.',
    call: ({ recipients }) => (recipients.length > 1 ? recipients : (recipients[0] ?? null)),
  }),
  recipient_list: method({
    returns: 'address[]',
    doc: 'Envelope recipients.',
    call: (self) => self.recipients,
  }),
  set_recipient: method({
    params: { recipient: anyOf(address(), list(address())) },
    doc: 'Replaces the envelope recipients by one or by a list.',
    call: (self, { recipient }) => {
      self.recipients = Array.isArray(recipient) ? recipient : [recipient];
      self.dirty = true;
    },
  }),
  get_meta: method({
    params: { name: string() },
    returns: 'any',
    doc: 'The metadata of that name, or nil.',
    call: (self, { name }) => getOwn(self.meta, name) ?? null,
  }),
  set_meta: method({
    params: { name: string(), value: anyValue() },
    doc: 'Sets metadata; any value that JSON can hold.',
    call: (self, { name, value }) => {
      setOwn(self.meta, name, value);
      self.dirty = true;
    },
  }),
  queue_name: method({
    returns: 'string',
    doc: 'Name of the scheduled queue that the message belongs to now.',
    call: (self) => queueNameOf(self),
  }),
  get_data: method({ returns: 'string', doc: 'The whole message.', call: (self) => self.data() }),
  set_data: method({
    params: { data: bytes() },
    doc: 'Replaces the whole message. Nothing is checked.',
    call: (self, { data }) => self.setData(data),
  }),
  num_attempts: method({
    returns: 'integer',
    doc: 'Attempts at delivery that have been counted.',
    call: (self) => self.attempts,
  }),
  increment_num_attempts: method({
    doc: 'Counts one more attempt.',
    call: (self) => {
      self.attempts += 1;
    },
  }),
};
