import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import { ConfiguredResolvers } from '../../../src/io/dns/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { InitDeclaration } from '../../../src/model/index.ts';
import { configureResolverOptions } from '../../../src/model/options/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { serve } from './resolver-bench.ts';

const declare = (kind: string, options: unknown): InitDeclaration => ({ kind, options, where: 'x:1' });

const MX = { preference: 10, exchange: 'mx.good.example' };

/** A server that hears questions and never answers. */
async function silentServer(): Promise<{ port: number; heard: () => number }> {
  const socket = createSocket('udp4');
  let heard = 0;
  socket.on('message', () => heard++);
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  return { port: socket.address().port, heard: () => heard };
}

test('set_mx_timeout ends a look-up of an MX that nobody answers', async () => {
  const { port } = await silentServer();
  const options = parseOptions(configureResolverOptions, {
    name_servers: [`127.0.0.1:${port}`],
    options: { timeout: 0.2, attempts: 1 },
  });
  const { main } = new ConfiguredResolvers(systemClock, () => [
    declare('dns.configure_resolver', { kind: 'servers', options }),
    declare('dns.set_mx_timeout', 20),
  ]);
  await expect(main.mx('slow.example')).rejects.toThrow(
    'looking up MX of slow.example: no answer within 20 ms',
  );
  await expect(main.txt('slow.example')).rejects.toThrow(/no answer from/);
});

test('set_mx_concurrency_limit lets the next look-up go when one is done', async () => {
  const { port, heard } = await silentServer();
  const options = parseOptions(configureResolverOptions, {
    name_servers: [{ socket_addr: `127.0.0.1:${port}`, protocol: 'udp' }],
    options: { timeout: 0.1, attempts: 1 },
  });
  const { main } = new ConfiguredResolvers(systemClock, () => [
    declare('dns.configure_resolver', { kind: 'servers', options }),
    declare('dns.set_mx_concurrency_limit', 1),
  ]);
  const order: string[] = [];
  const ask = (name: string) =>
    main.mx(name).catch(() => void order.push(`${name} ${heard()}`)) as Promise<unknown>;
  await Promise.all([ask('one.example'), ask('two.example'), ask('three.example')]);
  expect(order).toEqual(['one.example 1', 'two.example 2', 'three.example 3']);
});

test('later declarations count at the next question', async () => {
  const declarations: InitDeclaration[] = [];
  const { main, named } = new ConfiguredResolvers(systemClock, () => declarations);
  expect(named('mine')).toBeUndefined();
  const zone = (text: string) => ({
    kind: 'test',
    options: { zones: [{ zone: text, secure: false }], servfail: [] },
  });
  declarations.push(declare('dns.define_resolver', { name: 'mine', shape: zone('a.example. TXT "mine"') }));
  declarations.push(declare('dns.configure_resolver', zone('a.example. TXT "main"')));
  expect((await named('mine')!.txt('a.example')).records).toEqual(['mine']);
  expect((await main.txt('a.example')).records).toEqual(['main']);
});

test('what is known needs no place among look-ups that nobody answers, and the line does not last for ever', async () => {
  const { port, heard } = await silentServer();
  const clock = new FakeClock();
  const options = parseOptions(configureResolverOptions, {
    name_servers: [{ socket_addr: `127.0.0.1:${port}`, protocol: 'udp' }],
    options: { timeout: 60, attempts: 1 },
  });
  const { main } = new ConfiguredResolvers(clock, () => [
    declare('dns.configure_resolver', { kind: 'servers', options }),
  ]);
  const failed: string[] = [];
  for (let n = 0; n < 130; n++) main.mx(`d${n}.example`).catch((error: Error) => failed.push(error.message));
  await eventually(() => (heard() >= 128 ? true : undefined), { what: () => `${heard()} were asked` });
  // The hosts file knows it.
  expect((await main.mx('localhost')).records).toEqual([]);
  await clock.advance(30_000);
  const why = 'waited 30 s behind other look-ups that are not answered';
  expect(failed).toEqual([`looking up MX of d128.example: ${why}`, `looking up MX of d129.example: ${why}`]);
  expect(heard()).toBe(128);
  await clock.advance(30_000);
  await eventually(() => (failed.length === 130 ? true : undefined), {
    what: () => `${failed.length} failed`,
  });
  expect(clock.pending).toBe(0);
});

test('set_mx_negative_cache_ttl is how long a failed look-up of an MX is kept', async () => {
  const server = await serve(() => ({ rcode: 'SERVFAIL' }));
  const clock = new FakeClock();
  const options = parseOptions(configureResolverOptions, {
    name_servers: [`127.0.0.1:${server.port}`],
    options: { attempts: 1 },
  });
  const { main } = new ConfiguredResolvers(clock, () => [
    declare('dns.configure_resolver', { kind: 'servers', options }),
    declare('dns.set_mx_negative_cache_ttl', 120_000),
  ]);
  const ask = () => expect(main.mx('broken.example')).rejects.toMatchObject({ kind: 'servfail' });
  await ask();
  await clock.advance(119_999);
  await ask();
  expect(server.queries).toHaveLength(1);
  await clock.advance(1);
  await ask();
  expect(server.queries).toHaveLength(2);
});

test('look-ups of MX are metered: hits, those under way, and how they ended', async () => {
  const server = await serve(({ question: { name } }) =>
    name.startsWith('good')
      ? { answers: [{ name, type: 'MX' as const, ttl: 60, data: MX }] }
      : { rcode: 'SERVFAIL' },
  );
  const options = parseOptions(configureResolverOptions, {
    name_servers: [`127.0.0.1:${server.port}`],
    options: { attempts: 1 },
  });
  const told: string[] = [];
  const { main } = new ConfiguredResolvers(
    new FakeClock(),
    () => [declare('dns.configure_resolver', { kind: 'servers', options })],
    {
      hit: () => told.push('hit'),
      begun: () => told.push('begun'),
      ended: (isGood) => told.push(isGood ? 'good' : 'bad'),
    },
  );
  await main.mx('good.example');
  await main.mx('good.example');
  expect(told.splice(0)).toEqual(['begun', 'good', 'hit']);
  const ask = () => main.mx('broken.example').catch(() => {});
  await ask();
  // That it failed is known, too.
  await ask();
  expect(told.splice(0)).toEqual(['begun', 'bad', 'hit']);
  await main.a('good.example').catch(() => {});
  expect(told).toEqual([]);
});
