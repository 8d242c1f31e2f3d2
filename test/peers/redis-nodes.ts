import { systemClock } from '../../src/io/clock/index.ts';
import {
  attachLimits,
  createSharedLimits,
  limitsOverRedis,
  type RedisLimits,
} from '../../src/io/limits/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import { redisThrottleOptions } from '../../src/model/options/index.ts';

/** One of several nodes that share limits over Redis. */
export interface TestNode extends RedisLimits {
  /** What it said, a line each. */
  readonly said: string[];
}

const nodes: TestNode[] = [];

/** A node of one shard with a memory of its own. */
export async function startNode(name: string, url: string, more: object = {}): Promise<TestNode> {
  const said: string[] = [];
  const say = (level: string) => (target: string, text: string) =>
    void said.push(`${level} ${target} ${text}`);
  const limits = limitsOverRedis(attachLimits(createSharedLimits(1, { throttles: 1000 }), 0, systemClock), {
    options: parseOptions(redisThrottleOptions, { node: url, ...more }),
    nodeId: name,
    clock: systemClock,
    random: Math.random,
    diagnostics: { error: say('ERROR'), warn: say('WARN'), info: say('INFO'), debug: say('DEBUG') },
  });
  await limits.start();
  const node = Object.assign(limits, { said });
  nodes.push(node);
  return node;
}

export function closeNodes(): void {
  for (const node of nodes.splice(0)) node.close();
}
