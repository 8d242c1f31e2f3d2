import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/io/clock/index.ts';
import { LocalCounters, LocalThrottles } from '../../src/io/limits/index.ts';
import { checkPolicy } from '../../src/policy-start.ts';
import { testHost } from '../lua/policy-kit.ts';

/** What `--validate` says of a policy with this data file; 'fine' for nothing. */
async function verdict(toml: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-dkim-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  cpSync(join(import.meta.dirname, 'dkim/rsa.key'), join(directory, 'good.key'));
  writeFileSync(join(directory, 'dkim.toml'), toml.replaceAll('DIR', directory));
  const file = join(directory, 'init.lua');
  writeFileSync(file, `require('policy-extras.dkim_sign'):setup { '${directory}/dkim.toml' }`);
  const { diagnostics } = testHost();
  const limits = { throttles: new LocalThrottles(systemClock), counters: new LocalCounters() };
  try {
    await checkPolicy({ file, diagnostics, limits });
    return 'fine';
  } catch (error) {
    return (error as Error).message.replaceAll(directory, 'DIR');
  }
}

test('a file in order is fine', async () => {
  const toml = `
[base]
selector = "s1"
additional_signatures = ["platform"]
[domain."a.example"]
filename = "DIR/good.key"
[domain."*.a.example"]
[domain."*.b.example"]
filename = "DIR/good.key"
[signature.platform]
domain = "platform.example"
filename = "DIR/good.key"`;
  expect(await verdict(toml)).toBe('fine');
});

test('every key is read, and every signature has to be used', async () => {
  const toml = `[base]
selector = "s1"
additional_signatures = ["platform"]
[domain."a.example"]
filename = "DIR/a.key"
[domain."*.b.example"]
filename = "DIR"
[domain."c.example"]
[domain."not a name"]
filename = "DIR/good.key"
[signature.platform]
domain = "platform.example"
filename = "DIR/dkim.toml"
[signature.forgotten]
domain = "forgotten.example"
filename = "DIR/good.key"`;
  const text = await verdict(toml);
  for (const line of [
    'DIR/dkim.toml:5:1: [domain."a.example"] DIR/a.key: there is no such file',
    'DIR/dkim.toml:7:1: [domain."*.b.example"] DIR: EISDIR',
    '[domain."c.example"] /opt/kumomta/etc/dkim/c.example/s1.key: there is no such file',
    `DIR/dkim.toml:10:1: [domain."not a name"] domain: 'not a name' is no name for the DNS`,
    'DIR/dkim.toml:13:1: [signature.platform] DIR/dkim.toml: it is no private key in PEM or DER',
    'DIR/dkim.toml:15:1: [signature.forgotten] no additional_signatures in [base] names it, so that it is never used',
  ]) {
    expect(text).toContain(line);
  }
});

test('keys in a Vault are asked for where the file says', async () => {
  const key = readFileSync(join(import.meta.dirname, 'dkim/rsa.key'), 'utf8');
  const asked: string[] = [];
  const vault = createServer((request, response) => {
    asked.push(`${request.headers['x-vault-token']} ${request.url}`);
    response.statusCode = request.url!.includes('nowhere') ? 404 : 200;
    response.end(JSON.stringify({ data: { data: { key } } }));
  });
  vault.listen(0, '127.0.0.1');
  await once(vault, 'listening');
  onTestFinished(() => {
    vault.closeAllConnections();
    vault.close();
    vi.unstubAllEnvs();
  });
  vi.stubEnv('VAULT_ADDR', `http://127.0.0.1:${(vault.address() as AddressInfo).port}`);
  vi.stubEnv('VAULT_TOKEN', 'let-me-in');
  const base = '[base]\nselector = "s1"\nvault_mount = "secret"\n';
  expect(await verdict(`${base}[domain."a.example"]`)).toBe('fine');
  expect(await verdict(`${base}vault_path_prefix = "keys"\n[domain."a.example"]`)).toBe('fine');
  expect(await verdict(`${base}[domain."a.example"]\nfilename = "nowhere"`)).toContain(
    '[domain."a.example"] vault secret/nowhere: the vault answers 404',
  );
  expect(asked).toEqual([
    'let-me-in /v1/secret/data/dkim/a.example/s1',
    'let-me-in /v1/secret/data/keys/a.example/s1',
    'let-me-in /v1/secret/data/nowhere',
  ]);
});

test('a file that cannot be read, and one that says what it may not', async () => {
  expect(await verdict('[base')).toContain('DIR/dkim.toml');
  expect(await verdict('[base]\nselektor = "x"')).toContain(
    "DIR/dkim.toml:2:1: [base] unknown option 'selektor', did you mean 'selector'?",
  );
});
