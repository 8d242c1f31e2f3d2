import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';
import { freePort } from './postfix-tools.ts';

let haproxy: string;
let directory: string;
let running: ChildProcess | undefined;

beforeAll(() => {
  haproxy = requireCommand('haproxy', 'apt-get install haproxy');
  directory = mkdtempSync(join(tmpdir(), 'haproxy-'));
});
afterAll(async () => {
  running?.kill();
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs HAProxy with a way in (to the mail server at `server`) and a way out (to wherever the header says). */
async function start(ports: { in: number; out: number; server: number }): Promise<void> {
  const config = join(directory, 'haproxy.cfg');
  writeFileSync(
    config,
    `defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen way_in
  bind 127.0.0.1:${ports.in}
  server mail 127.0.0.1:${ports.server} send-proxy-v2
listen way_out
  bind 127.0.0.1:${ports.out} accept-proxy
  server where_the_header_says 0.0.0.0:0 send-proxy
`,
  );
  running = spawn(haproxy, ['-db', '-f', config], { stdio: 'ignore' });
  await eventually(
    async () => {
      const socket = connect(ports.in, '127.0.0.1');
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => undefined,
      );
      socket.destroy();
      return isOpen;
    },
    { what: () => 'HAProxy does not listen' },
  );
}

test('mail goes through HAProxy on the way in and on the way out, and each end knows who sent it', async () => {
  const drop = await MailDrop.start();
  const proxied = 'require_proxy_protocol = true';
  // Only the address that the sender's header claims may relay: that of the connection is another.
  const listener = `${proxied}, relay_hosts = { '127.0.0.9' }`;
  const receiver = await Moonpost.start({ policy: initLua('', listener) + relayLua(drop.port), shards: 1 });
  const out = await freePort();
  const sender = await Moonpost.start({
    policy: `${initLua('', proxied)}${relayLua(receiver.smtp, {
      queue: "egress_pool = 'proxied',",
      path: "enable_tls = 'OpportunisticInsecure',",
    })}
kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = { { name = 'nine' } } }
end)
kumo.on('get_egress_source', function(name)
  return kumo.make_egress_source {
    name = name, ha_proxy_server = '127.0.0.1:${out}', ha_proxy_source_address = '127.0.0.9',
  }
end)`,
    shards: 2,
  });
  const way = await freePort();
  await start({ in: way, out, server: sender.smtp });

  const { accepted } = await inject(way, { count: 100, sessions: 5 });
  expect(accepted.size).toBe(100);
  const sent = await sender.untilCounts({ Reception: 100, Delivery: 100 });
  const received = await receiver.untilCounts({ Reception: 100, Delivery: 100 });
  expect(drop.messages).toHaveLength(100);
  for (const { type, peer_address } of sent.filter(({ type }) => type === 'Reception')) {
    expect({ type, peer: peer_address!.addr }).toEqual({ type, peer: '127.0.0.1' });
  }
  for (const { source_address } of sent.filter(({ type }) => type === 'Delivery')) {
    expect(source_address).toMatchObject({ protocol: 'haproxy', server: `127.0.0.1:${out}` });
  }
  const peers = new Set(
    received.filter(({ type }) => type === 'Reception').map(({ peer_address }) => peer_address!.addr),
  );
  expect(peers).toEqual(new Set(['127.0.0.9']));
}, 240_000);
