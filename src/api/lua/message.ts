import { defineObject } from '../../model/define/index.ts';
import { Message } from '../../model/index.ts';
import { envelopeMethods } from './message-envelope.ts';
import { headerMethods } from './message-headers.ts';

export const messageObject = defineObject(
  'message',
  Message,
  { doc: 'A message with its envelope and metadata.', text: (self) => `message ${self.id}` },
  { ...envelopeMethods, ...headerMethods },
);
