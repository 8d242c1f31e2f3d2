import { describe, expect, test } from 'vitest';
import { laterOptions, parseOptions } from '../../../src/model/define/index.ts';
import {
  configureResolverOptions,
  declaredOptions,
  egressPathOptions,
  egressPoolOptions,
  egressSourceOptions,
  esmtpListenerOptions,
  listenerDomainOptions,
  localLogsOptions,
  QueueConfig,
  queueOptions,
  spoolOptions,
  unspecifiedEgressPool,
} from '../../../src/model/options/index.ts';
import { referenceOptions, required } from './reference-options.ts';

const declarations = new Map(declaredOptions.map((declaration) => [declaration.owner, declaration]));

describe.each(Object.entries(referenceOptions))('%s', (owner, options) => {
  const declaration = declarations.get(owner)!;

  test('declares exactly the options of the reference', () => {
    const ours = Object.keys(declaration.fields).filter((name) => declaration.fields[name]!.extension);
    const expected = new Set([...Object.keys(options), ...ours]);
    expect(Object.keys(declaration.fields).sort()).toEqual([...expected].sort());
  });

  test.each(Object.entries(options))('%s has the default of the reference', (name, value) => {
    const { kind, default: written, required: isRequired } = declaration.fields[name]!;
    expect(isRequired).toBe(value === required);
    if (value === required || value === null) expect(written).toBeUndefined();
    else expect(kind.parse(written, name, true)).toEqual(value);
  });
});

test('every option says what it does', () => {
  for (const { owner, doc, fields } of declaredOptions) {
    expect(doc, owner).not.toBe('');
    for (const [name, option] of Object.entries(fields))
      expect(option.doc, `${owner}.${name}`).toMatch(/\.$/);
  }
});

test('a queue configuration as real policies write it', () => {
  const options = parseOptions(queueOptions, {
    egress_pool: 'pool-1',
    retry_interval: '5 minutes',
    max_retry_interval: 3600,
    max_message_rate: '1,000/h,max_burst=50',
    protocol: {
      smtp: { mx_list: ['mx.example.com', '[10.0.0.1]:2525', { name: 'a', addr: '10.0.0.2:25' }] },
    },
  });
  expect(options).toMatchObject({
    egress_pool: 'pool-1',
    retry_interval: 300_000,
    max_retry_interval: 3_600_000,
    max_message_rate: { limit: 1000, period: 3_600_000, burst: 50, local: false },
    max_age: 7 * 86_400_000,
    protocol: {
      kind: 'smtp',
      mx_list: [{ name: 'mx.example.com' }, { name: '[10.0.0.1]:2525' }, { name: 'a', addr: '10.0.0.2:25' }],
    },
  });
});

test('a protocol is exactly one way of delivery', () => {
  const protocol = (value: unknown) => parseOptions(queueOptions, { protocol: value }).protocol;
  expect(protocol({ maildir_path: '/var/mail', file_mode: 0o600 })).toEqual({
    kind: 'maildir',
    maildir_path: '/var/mail',
    dir_mode: undefined,
    file_mode: 0o600,
  });
  expect(protocol({ custom_lua: { constructor: 'make.x' } })).toEqual({
    kind: 'custom_lua',
    constructor: 'make.x',
    batch_size: 1,
    min_batch_size: 1,
    max_batch_latency: 0,
  });
  expect(() => protocol({})).toThrow('give exactly one of smtp, custom_lua, maildir_path, xfer');
  expect(() => protocol({ smtp: {}, maildir_path: '/x' })).toThrow('give exactly one of');
  expect(() => protocol({ smpt: {} })).toThrow('unknown field `protocol.smpt`, did you mean `smtp`?');
  expect(() => protocol({ smtp: { mx_list: [{ name: 'a', addr: 'b' }] } })).toThrow(
    "'b' is no IP or IP:PORT",
  );
});

test('config objects read back as policies know them', () => {
  const config = new QueueConfig(
    parseOptions(queueOptions, { max_message_rate: '20/30min', protocol: { maildir_path: '/m' } }),
  );
  expect(config.entries()).toMatchObject({
    retry_interval: '20m',
    max_age: '7days',
    max_retry_interval: null,
    max_message_rate: '20/1800s',
    protocol: { maildir_path: '/m', dir_mode: null, file_mode: null },
  });
  expect(parseOptions(queueOptions, config.entries())).toEqual(config.options);
});

test('an egress path read back gives the same path', () => {
  const path = parseOptions(egressPathOptions, {
    connection_limit: 'local:10',
    prohibited_hosts: ['10.0.0.0/8'],
    additional_connection_limits: { shared: 5 },
  });
  expect(path.connection_limit).toEqual({ limit: 10, local: true });
  expect(path.additional_connection_limits).toEqual({ shared: { limit: 5, local: false } });
  expect(() => parseOptions(egressPathOptions, { prohibited_hosts: ['10.0.0.1/8'] })).toThrow(
    "prohibited_hosts[1]: '10.0.0.1/8' has host bits set",
  );
});

test('pools and sources', () => {
  const pool = parseOptions(egressPoolOptions, {
    name: 'p',
    entries: [{ name: 'a', weight: 5 }, { name: 'b' }],
  });
  expect(pool.entries).toEqual([
    { name: 'a', weight: 5 },
    { name: 'b', weight: 1 },
  ]);
  expect(() => parseOptions(egressPoolOptions, { name: 'p', entries: [{ weight: 5 }] })).toThrow(
    'missing field `entries[1].name`',
  );
  expect(unspecifiedEgressPool().entries).toEqual([{ name: 'unspecified', weight: 1 }]);
  expect(() => parseOptions(egressSourceOptions, { name: 's', source_address: '10.0.0' })).toThrow(
    "source_address: '10.0.0' is no IP address",
  );
  const source = parseOptions(egressSourceOptions, {
    name: 's',
    suspend_when_unplumbed: { trigger: { Threshold: '5/min' }, duration: '1h' },
  });
  expect(source.suspend_when_unplumbed).toMatchObject({
    trigger: { threshold: { limit: 5 } },
    duration: 3_600_000,
  });
});

test('listeners', () => {
  const listener = parseOptions(esmtpListenerOptions, {
    listen: '[::]:25',
    trace_headers: { received_header: false },
    meta: { a: 1 },
    peer: { '10.0.0.0/8': { banner: 'hi', peer: { '10.1.0.0/16': { client_timeout: 5 } } } },
  });
  expect(listener.listen).toEqual({ address: '::', port: 25 });
  expect(listener.trace_headers).toMatchObject({ received_header: false, supplemental_header: true });
  expect(listener.peer).toEqual({
    '10.0.0.0/8': { banner: 'hi', peer: { '10.1.0.0/16': { client_timeout: 5000 } } },
  });
  const refused = (options: unknown) => () => parseOptions(esmtpListenerOptions, options);
  expect(refused({ listen: 'localhost:25' })).toThrow("'localhost' is no IP address to listen on");
  expect(refused({ relay_hosts: ['10.0.0.0/33'] })).toThrow('prefix length out of range');
  expect(refused({ peer: { nonsense: {} } })).toThrow("'nonsense' is no IP address or CIDR block");
  expect(refused({ peer: { '10.0.0.1': { listen: '0.0.0.0:25' } } })).toThrow(
    'unknown field `peer.10.0.0.1.listen`',
  );
});

test('other values that need care', () => {
  expect(parseOptions(listenerDomainOptions, { log_oob: true, log_arf: false })).toMatchObject({
    log_oob: 'LogThenRelay',
    log_arf: 'Ignore',
  });
  expect(parseOptions(spoolOptions, { name: 'd', path: '/s', min_free_space: 1024 }).min_free_space).toEqual({
    amount: 1024,
  });
  expect(() => parseOptions(localLogsOptions, { log_dir: '/l', per_record: { Bounces: {} } })).toThrow(
    'key of per_record',
  );
  expect(
    parseOptions(configureResolverOptions, { name_servers: ['127.0.0.1:53'] }).name_servers[0],
  ).toMatchObject({
    socket_addr: { address: '127.0.0.1', port: 53 },
    protocol: 'udp_then_tcp',
  });
});

test('options without effect are found at every depth, those with effect are not', () => {
  expect(
    laterOptions(queueOptions, { egress_pool: 'x', strategy: 'SkipList', protocol: { xfer: {} } }),
  ).toEqual([]);
  expect(laterOptions(esmtpListenerOptions, { banner: 'x', trace_headers: { header_name: 'X' } })).toEqual(
    [],
  );
  expect(laterOptions(configureResolverOptions, { options: { attempts: 1, ndots: 2 } })).toEqual([
    'options.ndots',
  ]);
  expect(laterOptions(localLogsOptions, { per_record: { Any: { enable: true } }, back_pressure: 1 })).toEqual(
    [],
  );
});
