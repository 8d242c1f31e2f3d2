import { methodsOf } from '../../model/define/index.ts';
import type { Message } from '../../model/index.ts';
import { parseFeedbackReport } from '../../protocol/arf/index.ts';
import { parseDeliveryReport } from '../../protocol/dsn/index.ts';
import { withData } from './message-data.ts';

const method = methodsOf<Message>();

export const reportMethods = {
  parse_rfc3464: method({
    returns: 'table|nil',
    doc: 'The delivery status notification that the message is, or nil. Raises when it is malformed.',
    call: (self) => withData(self, parseDeliveryReport),
  }),
  parse_rfc5965: method({
    returns: 'table|nil',
    doc: 'The feedback report that the message is, or nil. Raises when it is malformed.',
    call: (self) => withData(self, parseFeedbackReport),
  }),
};
