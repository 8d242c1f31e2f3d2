import { boolean, methodsOf } from '../../model/define/index.ts';
import type { Message } from '../../model/index.ts';

const method = methodsOf<Message>();

async function saveAndShrink(message: Message): Promise<boolean> {
  await message.keeper?.save(message);
  return message.shrink();
}

export const spoolMethods = {
  save: method({
    doc: 'Writes changes to the spool. A message that is not in it yet is written before it is acknowledged.',
    call: (self) => self.keeper?.save(self),
  }),
  set_force_sync: method({
    params: { force: boolean() },
    doc: 'Without effect: what is saved is always on disk before it counts.',
    call: () => undefined,
  }),
  shrink: method({
    returns: 'boolean',
    doc: 'Saves the message and lets go of its content in memory. True when memory was freed.',
    call: saveAndShrink,
  }),
  shrink_data: method({
    returns: 'boolean',
    doc: 'As shrink.',
    call: saveAndShrink,
  }),
};
