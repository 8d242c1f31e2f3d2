import { expect, test } from 'vitest';
import { settle } from '../kit/fake-clock.ts';
import { gates, noted, policy } from './policy-kit.ts';

const counting = `
local Connection = {}
Connection.__index = Connection
function Connection:send(text)
  self.sent = self.sent + 1
  if text == 'wait' then kumo.later('gate') end
  if text == 'reject' then kumo.reject(450, 'not now') end
  if text == 'raise' then error('broken') end
  if text == 'spin' then while true do end end
  return self.name .. ' ' .. self.sent
end
function Connection:close() kumo.note('closed ' .. self.name) end
kumo.on('make.it', function(name)
  return setmetatable({ name = name, sent = 0 }, Connection)
end)
kumo.on('make.nothing', function() end)
kumo.on('make.error', function() error('no door') end)
kumo.on('make.late', function() kumo.later('making') return { send = function() return 'late' end } end)
kumo.on('init', function() return 1 end)
`;

test('an object keeps what it knows from call to call; several do not share it', async () => {
  const { engine } = await policy(counting);
  const one = engine.connection('make.it');
  const other = engine.connection('make.it');
  expect(await one.open(['one'])).toEqual({ kind: 'values', values: [] });
  expect(await other.open(['other'])).toEqual({ kind: 'values', values: [] });
  expect(one.call('send', ['a'])).toEqual({ kind: 'values', values: ['one 1'] });
  expect(one.call('send', ['a'])).toEqual({ kind: 'values', values: ['one 2'] });
  expect(other.call('send', ['a'])).toEqual({ kind: 'values', values: ['other 1'] });
  expect(one.call('finish', [], 'if-there')).toEqual({ kind: 'absent' });
  expect(one.call('send_batch', [['a']])).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:13: what 'make\.it' returned has no function 'send_batch'$/),
  });
  expect(one.call('close', [])).toEqual({ kind: 'values', values: [] });
  expect(noted).toEqual(['closed one']);
  expect(engine.running).toBe(2);
  one.release();
  other.release();
  expect(engine.running).toBe(0);
});

test('rejections and errors come as results, with file and line; the object goes on', async () => {
  const { engine, host } = await policy(counting);
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  expect(connection.call('send', ['reject'])).toMatchObject({ kind: 'reject', code: 450, text: 'not now' });
  expect(connection.call('send', ['raise'])).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:8: broken$/),
  });
  expect(connection.call('send', ['a'])).toEqual({ kind: 'values', values: ['it 3'] });
  expect(host.told.filter(({ level }) => level === 'error')).toHaveLength(1);
  expect(connection.isToClose).toBe(false);
});

test('what makes no object is an error that names the registration', async () => {
  const { engine } = await policy(counting);
  expect(engine.connection('make.nothing').open([])).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:16: 'make\.nothing' must return a connection object/),
  });
  expect(engine.connection('make.error').open([])).toMatchObject({
    kind: 'error',
    message: expect.stringMatching(/policy\.lua:17: no door$/),
  });
  expect(engine.connection('make.unknown').open([])).toEqual({ kind: 'absent' });
});

test('a call over its budget ends the object, and its state with it', async () => {
  const { engine } = await policy(counting, { limits: { maxStates: 1 } });
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  expect(await connection.call('send', ['spin'])).toMatchObject({ kind: 'error', overBudget: true });
  expect(connection.isToClose).toBe(true);
  connection.release();
  expect(engine.running).toBe(0);
  expect(engine.fire('init', [])).toMatchObject({ kind: 'values' });
});

test('a call that waits leaves events alone, and is ended by abandon', async () => {
  const { engine } = await policy(counting, { limits: { maxStates: 1, maxPinned: 1 } });
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  const sending = connection.call('send', ['wait']);
  expect(engine.fire('init', [])).toMatchObject({ kind: 'values' });
  connection.abandon('too long');
  expect(await sending).toMatchObject({ kind: 'error', message: expect.stringContaining('too long') });
  expect(connection.call('close', [])).toEqual({ kind: 'error', message: 'too long' });
  connection.release();
  gates.get('gate')!.resolve(1);
  await settle();
  expect(noted).toEqual([]);
  expect(engine.running).toBe(0);
});

test('one beyond the limit waits until another is to close and is released', async () => {
  const { engine } = await policy(counting, { limits: { maxPinned: 1 } });
  const first = engine.connection('make.it');
  await first.open(['first']);
  expect(first.isToClose).toBe(false);
  let told = 0;
  first.onToClose(() => told++);
  const second = engine.connection('make.it');
  const opening = second.open(['second']);
  expect(opening).toBeInstanceOf(Promise);
  expect(first.isToClose).toBe(true);
  expect(told).toBe(1);
  first.release();
  expect(await opening).toEqual({ kind: 'values', values: [] });
  expect(second.call('send', ['a'])).toEqual({ kind: 'values', values: ['second 1'] });
  expect(second.isToClose).toBe(false);
});

test('one idle connection is told for each that waits for a state, and none that has work again', async () => {
  const { engine } = await policy(counting, { limits: { maxPinned: 3 } });
  const told: number[] = [];
  const cancels = [];
  for (let n = 0; n < 3; n++) {
    const connection = engine.connection('make.it');
    await connection.open([n]);
    cancels.push(connection.onToClose(() => told.push(n)));
  }
  cancels[0]!();
  void engine.connection('make.it').open(['waits']);
  expect(told).toEqual([1]);
  void engine.connection('make.it').open(['waits too']);
  void engine.connection('make.it').open(['waits as well']);
  expect(told).toEqual([1, 2]);
  engine.close();
});

test('an object abandoned while it is made gives its state back', async () => {
  const { engine } = await policy(counting, { limits: { maxPinned: 1 } });
  const late = engine.connection('make.late');
  const opening = late.open([]);
  late.abandon('stopping');
  expect(await opening).toMatchObject({ kind: 'error' });
  late.release();
  expect(engine.running).toBe(0);
  const next = engine.connection('make.it');
  expect(await next.open(['next'])).toEqual({ kind: 'values', values: [] });
});

test('a state is worn out by its calls only when the object is released', async () => {
  const { engine } = await policy(counting, { limits: { maxUses: 3 } });
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  for (let n = 1; n <= 10; n++) {
    expect(connection.call('send', ['a'])).toEqual({ kind: 'values', values: [`it ${n}`] });
  }
  expect(connection.isToClose).toBe(false);
  connection.release();
  expect(engine.states).toBe(0);
});

test('an old generation ends when its objects are released, and asks for that', async () => {
  const { engine } = await policy(counting);
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  let done = false;
  let told = 0;
  connection.onToClose(() => told++);
  engine.retire(() => {
    done = true;
  });
  expect(connection.isToClose).toBe(true);
  expect(told).toBe(1);
  expect(connection.call('send', ['a'])).toEqual({ kind: 'values', values: ['it 1'] });
  expect(done).toBe(false);
  connection.release();
  expect(done).toBe(true);
});

test('abandoning the generation ends objects that are idle', async () => {
  const { engine } = await policy(counting);
  const connection = engine.connection('make.it');
  await connection.open(['it']);
  engine.abandon('it is over');
  expect(connection.call('send', ['a'])).toEqual({ kind: 'error', message: 'it is over' });
  connection.release();
  expect(engine.running).toBe(0);
});
