import type { CommandProblem } from '../../../protocol/smtp/index.ts';
import { type Answer, answer } from '../answer.ts';

const SYNTAX = 'Syntax error in command or arguments';

/** A line that is no command. The session lives on, except when nobody knows where the next command begins. */
export function invalid(problem: CommandProblem): Answer {
  switch (problem) {
    case 'syntax':
      return answer(501, '', SYNTAX);
    case 'sender':
      return answer(501, '5.1.7', "Bad sender's mailbox address syntax");
    case 'recipient':
      return answer(501, '5.1.3', 'Invalid recipient address syntax');
    case 'parameter':
      return answer(501, '5.5.4', SYNTAX);
    case 'unknownParameter':
      // RFC 5321 §4.1.1.11.
      return answer(555, '5.5.4', 'Parameter not recognized');
    case 'chunkSize':
      return answer(501, '5.5.4', SYNTAX, 'ForceDisconnect');
  }
}

export function lineTooLong(): Answer {
  return answer(500, '5.2.3', 'line too long');
}
