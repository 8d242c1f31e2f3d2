import { cpus, hostname } from 'node:os';
import { expect, test } from 'vitest';
import { describeMachine, type ReadText } from '../../../src/io/machine/index.ts';

const node = { node_id: 'n', version: '1.2.3', startedAt: 1_700_000_000_000 };
const files =
  (texts: Record<string, string>): ReadText =>
  async (path) =>
    texts[path];

test('every field is there, also where the system says nothing', async () => {
  const machine = await describeMachine(node, files({}));
  expect(machine).toMatchObject({
    node_id: 'n',
    version: '1.2.3',
    hostname: hostname(),
    num_cores: cpus().length,
    process_kind: 'kumod',
    distribution: 'unknown',
    online_since: '2023-11-14T22:13:20.000Z',
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    mac_address: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  });
  expect(machine.total_memory_bytes).toBeGreaterThan(0);
  expect(machine).not.toHaveProperty('container_runtime');
});

test('names of the system come from os-release', async () => {
  const text = 'PRETTY_NAME="x"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nVERSION="13 (trixie)"\n';
  const machine = await describeMachine(node, files({ '/etc/os-release': text }));
  expect(machine).toMatchObject({ distribution: 'Debian GNU/Linux', os_version: '13 (trixie)' });
});

test.each([
  ['docker', { '/.dockerenv': '' }],
  ['podman', { '/run/.containerenv': 'engine="podman-5"' }],
  ['kubernetes', { '/proc/1/cgroup': '0::/kubepods.slice/x' }],
])('%s is known by what it leaves behind', async (runtime, texts: Record<string, string>) => {
  expect((await describeMachine(node, files(texts))).container_runtime).toBe(runtime);
});

test('the fingerprint is that of the machine, not of the process', async () => {
  const one = await describeMachine(node, files({ '/etc/machine-id': 'a\n' }));
  const later = await describeMachine(
    { ...node, startedAt: 0, node_id: 'm' },
    files({ '/etc/machine-id': 'a\n' }),
  );
  const other = await describeMachine(node, files({ '/etc/machine-id': 'b\n' }));
  expect(later.fingerprint).toBe(one.fingerprint);
  expect(other.fingerprint).not.toBe(one.fingerprint);
});
