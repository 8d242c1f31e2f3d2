import { defineObject } from '../../model/define/index.ts';
import { Message } from '../../model/index.ts';
import { authenticationMethods } from './message-authentication.ts';
import { envelopeMethods } from './message-envelope.ts';
import { headerMethods } from './message-headers.ts';
import { importMethods } from './message-import.ts';
import { mimeMethods } from './message-mime.ts';
import { reportMethods } from './message-reports.ts';
import { schedulingMethods } from './message-scheduling.ts';
import { signingMethods } from './message-signing.ts';
import { spoolMethods } from './message-spool.ts';

export const messageObject = defineObject(
  'message',
  Message,
  { doc: 'A message with its envelope and metadata.', text: (self) => `message ${self.id}` },
  {
    ...authenticationMethods,
    ...envelopeMethods,
    ...headerMethods,
    ...importMethods,
    ...mimeMethods,
    ...reportMethods,
    ...schedulingMethods,
    ...signingMethods,
    ...spoolMethods,
  },
);
