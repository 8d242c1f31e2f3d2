import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readNodeId } from '../../../src/io/node-id/index.ts';

const ID = '0b5d7c9e-1a2b-4c3d-8e4f-5a6b7c8d9e0f';
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/moonpost-node-`);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('is made once and kept in the spool directory', () => {
  const made = readNodeId({ directory, environment: {} });
  expect(made).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(readFileSync(`${directory}/.nodeid`, 'utf8').trim()).toBe(made);
  expect(readNodeId({ directory, environment: {} })).toBe(made);
});

test('the spool directory is made if need be', () => {
  const made = readNodeId({ directory: `${directory}/var/spool`, environment: {} });
  expect(readNodeId({ directory: `${directory}/var/spool`, environment: {} })).toBe(made);
});

test('KUMO_NODE_ID comes first, KUMO_NODE_ID_PATH second', () => {
  const path = `${directory}/elsewhere`;
  writeFileSync(path, `${ID.toUpperCase()}\n`);
  expect(readNodeId({ directory, environment: { KUMO_NODE_ID_PATH: path } })).toBe(ID);
  const other = ID.replace('0b', '1c');
  expect(readNodeId({ directory, environment: { KUMO_NODE_ID: other, KUMO_NODE_ID_PATH: path } })).toBe(
    other,
  );
});

test('what is no UUID is fatal and says where it is', () => {
  expect(() => readNodeId({ directory, environment: { KUMO_NODE_ID: 'mx1' } })).toThrow(
    'KUMO_NODE_ID does not hold a UUID: "mx1"',
  );
  writeFileSync(`${directory}/.nodeid`, 'garbage');
  expect(() => readNodeId({ directory, environment: {} })).toThrow(
    `${directory}/.nodeid does not hold a UUID`,
  );
});

test('where no file can be made the hardware address makes a stable one', () => {
  const environment = { KUMO_NODE_ID_PATH: `${directory}/missing/directory/id` };
  const hardwareAddresses = (): string[] => ['00:00:00:00:00:00', '02:42:ac:11:00:02'];
  expect(readNodeId({ directory, environment, hardwareAddresses })).toBe(
    '00000000-0000-1000-8000-0242ac110002',
  );
});
