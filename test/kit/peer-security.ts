import { PeerSecurity } from '../../src/flow/delivery/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import type { Clock } from '../../src/model/index.ts';

export interface TestSecurityOptions {
  clock?: Clock;
  /** Contents by path, for key sources that are files. */
  files?: Record<string, string>;
  authorities?: readonly string[];
  /** Gets the warnings. */
  said?: string[];
}

/** What connections share, without a policy; key sources are files of `files` or inline. */
export function testSecurity(options: TestSecurityOptions = {}): PeerSecurity {
  const { clock = systemClock, files = {}, authorities, said = [] } = options;
  const say = (_target: string, text: string): void => void said.push(text);
  return new PeerSecurity({
    clock,
    diagnostics: { error: say, warn: say, info: say, debug: say },
    readKey: async (source) => {
      if (source.from === 'inline') return source.bytes;
      const text = source.from === 'file' ? files[source.path] : undefined;
      if (text === undefined) throw new Error('no such file');
      return Buffer.from(text);
    },
    authorities: () => authorities,
  });
}
