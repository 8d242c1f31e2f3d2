import { expect, test } from 'vitest';
import {
  jsonWithoutSecrets,
  type TraceRequest,
  terseForm,
  textWithoutSecrets,
  traceFilter,
} from '../../src/model/index.ts';

const session = {
  id: 'a',
  egress_pool: 'pool',
  egress_source: 'source',
  ready_queue_name: 'source->mx.test@smtp_client',
  source_address: '10.0.0.1:4711',
  mx_host: 'mx.test',
  mx_address: '192.0.2.7',
};
const withMessage = {
  ...session,
  sender: 's@example.org',
  recipient: ['a@dest.test', 'b@dest.test'],
  domain: 'dest.test',
  routing_domain: 'route.test',
  campaign: 'c',
  tenant: 't',
};

test.each<[TraceRequest, boolean]>([
  [{}, true],
  [{ terse: true, domain: null, source_addr: [] }, true],
  [{ domain: ['other.test', 'dest.test'] }, true],
  [{ domain: ['other.test'] }, false],
  [{ routing_domain: ['dest.test'] }, false],
  [{ campaign: ['c'], tenant: ['t'] }, true],
  [{ campaign: ['c'], tenant: ['x'] }, false],
  [{ egress_pool: ['pool'], egress_source: ['other'] }, false],
  [{ mail_from: ['s@example.org'] }, true],
  [{ mail_from: ['x@example.org'] }, false],
  [{ rcpt_to: ['b@dest.test'] }, true],
  [{ rcpt_to: ['c@dest.test'] }, false],
  [{ mx_host: ['mx.test'] }, true],
  [{ mx_host: ['mx2.test'] }, false],
  [{ ready_queue: ['source->mx.test@smtp_client'] }, true],
  [{ ready_queue: ['other'] }, false],
  [{ source_addr: ['10.0.0.0/8'], mx_addr: ['192.0.2.7'] }, true],
  [{ source_addr: ['11.0.0.0/8'] }, false],
  [{ mx_addr: ['2001:db8::/32'] }, false],
])('a client session and %j', (request, wanted) => {
  expect(traceFilter(request, 'client')(withMessage)).toBe(wanted);
});

test('what is not known yet excludes nothing', () => {
  expect(traceFilter({ domain: ['other.test'], rcpt_to: ['x'] }, 'client')(session)).toBe(true);
  expect(traceFilter({ mx_addr: ['10.0.0.0/8'] }, 'client')({ id: 'a' })).toBe(true);
});

test('clients of the server by address, also IPv6', () => {
  const filter = traceFilter({ source_addr: ['192.0.2.0/24', '2001:db8::/32'] }, 'server');
  expect(filter({ received_from: '192.0.2.7:25' })).toBe(true);
  expect(filter({ received_from: '[2001:db8::1]:25' })).toBe(true);
  expect(filter({ received_from: '198.51.100.1:25' })).toBe(false);
  expect(filter({})).toBe(true);
  expect(() => traceFilter({ source_addr: ['nonsense'] }, 'server')).toThrow('nonsense');
});

test('terse: of several lines the first, and how many octets there were', () => {
  const text = 'Subject: ä\r\n\r\nbody\r\n';
  const short = { snippet: 'Subject: ä\r\n', len: 21 };
  expect(terseForm({ Read: text }, 'server')).toEqual({ AbbreviatedRead: short });
  expect(terseForm({ Write: text }, 'client')).toEqual({ AbbreviatedWrite: short });
  for (const side of ['server', 'client'] as const) {
    expect(terseForm({ Read: 'NOOP\r\n' }, side)).toEqual({ Read: 'NOOP\r\n' });
    expect(terseForm('Closed', side)).toBe('Closed');
  }
  expect(terseForm({ Write: text }, 'server')).toEqual({ Write: text });
  expect(terseForm({ Read: text }, 'client')).toEqual({ Read: text });
});

const MARK = 'M4rker-Secret';

test.each([
  [`Authorization: Basic ${MARK}\r\nTo: x`, 'Authorization: ***\r\nTo: x'],
  [`proxy-authorization:Bearer ${MARK}\r\n\tgoes on ${MARK}\r\nTo: x`, 'proxy-authorization:***\r\nTo: x'],
  [`see https://user:${MARK}@host/path?a=b@c`, 'see https://user:***@host/path?a=b@c'],
  [`redis://:${MARK}@host and amqp://a:p@${MARK}@b`, 'redis://:***@host and amqp://a:***@b'],
  [`550 5.7.1 ${MARK} is wrong`, '550 5.7.1 *** is wrong'],
  [`-----BEGIN RSA PRIVATE KEY-----\n${MARK}\n-----END`, '-----BEGIN RSA PRIVATE KEY-----***-----END'],
  ['https://host:8000/path and a@b', 'https://host:8000/path and a@b'],
  ['Authentication-Results: ok', 'Authentication-Results: ok'],
])('text %j', (text, plain) => {
  expect(textWithoutSecrets(text, [MARK])).toBe(plain);
});

test('a secret of few characters is left alone, or replies would be blotted out', () => {
  expect(textWithoutSecrets('250 OK', ['2', '250'])).toBe('250 OK');
});

test('texts everywhere in JSON, and what is called a secret', () => {
  const value = {
    Callback: { name: 'x', result: [{ url: `http://a:${MARK}@b` }, 7, null], error: `${MARK}!` },
    authorization: MARK,
    smtp_auth_plain_password: { key_data: MARK },
    vault_token: MARK,
    password: null,
    keyword: 'stays',
  };
  const shown = JSON.stringify(jsonWithoutSecrets(value, [MARK]));
  expect(shown).not.toContain(MARK);
  expect(JSON.parse(shown)).toMatchObject({
    Callback: { result: [{ url: 'http://a:***@b' }, 7, null] },
    authorization: '***',
    password: null,
    keyword: 'stays',
  });
});

test('redaction is linear: long texts that nearly match', () => {
  const texts = ['://'.repeat(30_000), 'authorization'.repeat(7000), `://${'a'.repeat(90_000)}`];
  texts.push(
    '-----BEGIN '.repeat(8000),
    `authorization:${' '.repeat(90_000)}x`,
    'authorization: x\r\n '.repeat(5000),
  );
  const before = process.cpuUsage().user;
  for (const text of texts) textWithoutSecrets(text, [MARK]);
  // Of the order of a second each when it is quadratic.
  expect(process.cpuUsage().user - before).toBeLessThan(3_000_000);
});
