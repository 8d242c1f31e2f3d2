import { expect, test } from 'vitest';
import { parseQueueName } from '../src/model/index.ts';
import { campaignOf, domainOf, tenantOf } from '../src/queue-labels.ts';

test('labels of a queue are the parts of its name', () => {
  for (const name of [
    'dest.example',
    'dest.example!route.example',
    'acme@dest.example',
    'spring:acme@dest.example',
    'spring:@dest.example',
    'spring:acme@dest.example!route.example',
    '@dest.example',
    'a:b:c@d@e!f!g',
    'odd:name',
    '',
  ]) {
    const { domain, tenant, campaign } = parseQueueName(name);
    const queue = { name, size: 1 };
    expect(domainOf(queue), name).toBe(domain);
    expect(tenantOf(queue), name).toBe(tenant);
    expect(campaignOf(queue), name).toBe(campaign === undefined ? undefined : `${tenant}\0${campaign}`);
  }
});

test('a queue without mail is counted nowhere', () => {
  const queue = { name: 'spring:acme@dest.example', size: 0 };
  expect([domainOf(queue), tenantOf(queue), campaignOf(queue)]).toEqual([undefined, undefined, undefined]);
});
