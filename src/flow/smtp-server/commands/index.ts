import type { MaybePromise } from '../../../model/index.ts';
import type { Command } from '../../../protocol/smtp/index.ts';
import type { Answer } from '../answer.ts';
import type { SessionContext } from '../context.ts';
import { auth } from './auth.ts';
import { data } from './data.ts';
import { ehlo } from './ehlo.ts';
import { invalid } from './invalid.ts';
import { mail } from './mail.ts';
import { noop } from './noop.ts';
import { quit } from './quit.ts';
import { rcpt } from './rcpt.ts';
import { rset } from './rset.ts';
import { starttls } from './starttls.ts';
import { vrfy } from './vrfy.ts';
import { xclient } from './xclient.ts';

export { bdat } from './bdat.ts';
export { lineTooLong } from './invalid.ts';

/** Every command but BDAT, whose answer comes only after its octets. */
export function perform(
  context: SessionContext,
  command: Exclude<Command, { verb: 'BDAT' }>,
): MaybePromise<Answer> {
  switch (command.verb) {
    case 'EHLO':
    case 'HELO':
      return ehlo(context, command.verb, command.domain);
    case 'MAIL':
      return mail(context, command);
    case 'RCPT':
      return rcpt(context, command.recipient);
    case 'DATA':
      return data(context);
    case 'RSET':
      return rset(context);
    case 'NOOP':
      return noop();
    case 'QUIT':
      return quit(context);
    case 'STARTTLS':
      return starttls(context);
    case 'AUTH':
      return auth(context, command);
    case 'XCLIENT':
      return xclient(context, command.attributes);
    case 'VRFY':
    case 'EXPN':
    case 'HELP':
    case 'UNKNOWN':
      return vrfy();
    case 'INVALID':
      return invalid(command.problem);
  }
}
