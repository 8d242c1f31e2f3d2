import { formatDuration, type Lease } from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';

type WantedSlot = Pick<Lease, 'wanted' | 'onWanted'>;

/** Why a connection ends before its time: the queue stops, nothing has moved for too long, or somebody wants it. */
export type End = 'stopping' | 'stalled' | 'aborted';

/** What those who wait for the other end are told. */
export const END_TEXTS: Readonly<Record<End, string>> = {
  stopping: 'the server is shutting down',
  stalled: 'ended by the watchdog: no progress',
  aborted: 'aborted by an administrator',
};

/** Why the messages in hand go back, uncounted (delivery.md section 7). `patience` of the watchdog in ms. */
export function endReply(end: End | undefined, patience: number): Reply {
  const text =
    end === 'aborted'
      ? 'KumoMTA internal: the connection was aborted by an administrator'
      : `dispatcher watchdog aborted task; no progress for ${formatDuration(patience)}`;
  return reply(451, '4.4.1', text);
}

/** A slot that is wanted, too, by the end of its connection, so that one that waits for a message ends at once. */
export function slotUntilEnd(
  slot: WantedSlot,
  isEnding: () => boolean,
  onEnd: (callback: () => void) => () => void,
): WantedSlot {
  return {
    get wanted() {
      return slot.wanted || isEnding();
    },
    onWanted(callback) {
      const cancels = [slot.onWanted?.(callback), onEnd(callback)];
      return () => {
        for (const cancel of cancels) cancel?.();
      };
    },
  };
}
