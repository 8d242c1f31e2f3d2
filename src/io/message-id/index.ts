import { randomInt } from 'node:crypto';
import { type Clock, type MessageId, createMessageIds as makeMessageIds } from '../../model/index.ts';
import { systemClock } from '../clock/index.ts';

export interface MessageIdOptions {
  /** Number of the shard, 0 to 16383. */
  shard: number;
  /** Default: the clock of the machine. */
  clock?: Clock;
  /** Random number in [0, 1). Default: from the operating system, since it keeps processes apart. */
  random?: () => number;
}

/** Makes message ids that no other shard or process makes. */
export function createMessageIds({ shard, clock = systemClock, random }: MessageIdOptions): () => MessageId {
  return makeMessageIds({ shard, now: () => clock.now(), random: random ?? secureRandom });
}

const STEPS = 2 ** 47;

function secureRandom(): number {
  return randomInt(STEPS) / STEPS;
}
