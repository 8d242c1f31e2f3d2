import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliverToMaildirs } from '../../../src/flow/delivery/index.ts';
import { Message } from '../../../src/model/index.ts';
import { address } from './scripted-server.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'delivery-'));
});
afterEach(() => rm(base, { recursive: true }));

const home = {
  name: 'example.org',
  parts: { domain: 'example.org', tenant: undefined, campaign: undefined, routingDomain: undefined },
};

test('each recipient has an outcome of its own', async () => {
  const message = new Message({
    id: '0'.repeat(32),
    sender: address('a@x.test'),
    recipients: [address('joe@example.org'), address('"../up"@example.org'), address('ann@example.org')],
    meta: {},
    body: Buffer.from('hello\r\n'),
  });
  const outcomes = await deliverToMaildirs(message, home, {
    maildir_path: `${base}/{{ domain_part }}/{{ local_part }}`,
  });
  expect(outcomes.map(({ kind, reply }) => [kind, reply.code])).toEqual([
    ['delivered', 200],
    ['transient', 400],
    ['delivered', 200],
  ]);
  expect(outcomes[1]!.reply.content).toMatch(/^KumoMTA internal: .* cannot stand in a path$/);
  expect(await readdir(join(base, 'example.org'))).toEqual(['ann', 'joe']);
});
