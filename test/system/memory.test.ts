import { afterAll, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { SmtpTalk, sendOne } from '../kit/smtp-talk.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const limits = (text: string): string => `
local kumo = require 'kumo'
kumo.on('pre_init', function() ${text} end)
`;

const metric = async (server: Moonpost, name: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${server.http}/metrics.json`);
  return ((await response.json()) as Record<string, { value: number }>)[name]!.value;
};

test('without memory no mail is taken, and it is said to clients, liveness, metrics and operators', async () => {
  const policy = limits('kumo.set_memory_soft_limit(1000)') + initLua();
  const server = await Moonpost.start({ policy, shards: 2 });
  await server.waitFor('memory is used up, no mail is taken');
  const reply = await eventually(async () => {
    const talk = await SmtpTalk.open(server.smtp);
    const greeting = await talk.reply();
    // Shards look one after the other.
    return greeting.startsWith('421') ? greeting : undefined;
  });
  expect(reply).toBe('421 4.3.2 mx.moonpost.test load shedding. Try later');
  const liveness = await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${server.http}/api/check-liveness/v1`);
    return response.status === 503 ? response.text() : undefined;
  });
  expect(liveness).toBe('load shedding');
  expect(await metric(server, 'memory_limit')).toBe(1000);
  expect(await metric(server, 'memory_low_thresh')).toBe(800);
  expect(await metric(server, 'memory_usage')).toBeGreaterThan(1_000_000);
  expect(await metric(server, 'memory_over_limit_count')).toBe(1);
  expect(await server.stop()).toBe(0);
});

test('with little memory mail flows as ever', async () => {
  const drop = await MailDrop.start();
  const policy = limits('kumo.set_memory_low_thresh(1000)') + initLua() + relayLua(drop.port);
  const server = await Moonpost.start({ policy });
  for (let n = 0; n < 20; n++) await sendOne(server.smtp);
  await server.untilCounts({ Delivery: 20 });
  expect(await metric(server, 'memory_low_count')).toBe(1);
  expect(drop.messages).toHaveLength(20);
  expect(await server.stop()).toBe(0);
});
