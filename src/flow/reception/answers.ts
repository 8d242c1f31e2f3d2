import type { DisconnectMode } from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';

export interface ReceptionAnswer {
  reply: Reply;
  disconnect: DisconnectMode;
}

export function technicalDifficulties(hostname: string): ReceptionAnswer {
  return { reply: reply(421, '4.3.0', `${hostname} technical difficulties`, '.\r\n'), disconnect: 'If421' };
}

/** A handler that was stopped for being over its budget is no reason to end the session. */
export function tookTooLong(): ReceptionAnswer {
  return {
    reply: reply(451, '4.3.0', 'policy took too long. Try again later', '.\r\n'),
    disconnect: 'If421',
  };
}

export function relayedNowhere(): ReceptionAnswer {
  return { reply: reply(550, '5.7.1', 'relaying not permitted', '.\r\n'), disconnect: 'If421' };
}

export function tooSlow(phase: 'resolve' | 'spool' | 'insert'): ReceptionAnswer {
  const text = `data_processing_timeout exceeded (${phase})`;
  return { reply: reply(451, '4.4.5', text, '.\r\n'), disconnect: 'If421' };
}

export function storageFailure(): ReceptionAnswer {
  const text = 'the message could not be stored. Try again later';
  return { reply: reply(452, '4.3.1', text, '.\r\n'), disconnect: 'If421' };
}
