import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { endpoints, openApi } from '../../../src/api/http/index.ts';
import { injectionSchema } from '../../../src/flow/http-injection/index.ts';
import { httpBench } from './kit.ts';

interface Operation {
  operationId: string;
  summary?: string;
  requestBody?: { content: { 'application/json': { schema: Record<string, unknown> } } };
}

const { paths } = openApi() as { paths: Record<string, Record<string, Operation>> };
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    ...operation,
    name: `${method.toUpperCase()} ${path}`,
  })),
);

test('anybody may have the document, which is the one that is kept with the reference', async () => {
  const { ask } = await httpBench();
  const [status, text] = await ask('/api-docs/openapi.json');
  expect(status).toBe(200);
  const kept = readFileSync(resolve(import.meta.dirname, '../../../policy/reference/openapi.json'), 'utf8');
  expect(JSON.parse(text)).toEqual(JSON.parse(kept));
});

test('every endpoint is in it with a summary (endpoint-notes.ts), under a name of its own', () => {
  const served = endpoints().map(({ method, path }) => `${method} ${path}`);
  expect(operations.map(({ name }) => name).sort()).toEqual(served.sort());
  expect(operations.filter(({ summary }) => summary === undefined).map(({ name }) => name)).toEqual([]);
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
});

test('the page for people has every endpoint and loads nothing', async () => {
  const { app } = await httpBench();
  const { headers, body } = await app.inject({ url: '/rapidoc', remoteAddress: '192.0.2.1' });
  expect(headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8' });
  for (const { name } of operations) expect(body).toContain(`<code>${name}</code>`);
  expect(body).not.toMatch(/<script|src=|https?:/i);
});

test('bodies are what requests are checked with', () => {
  const bodyOf = (name: string) =>
    operations.find((one) => one.name === name)?.requestBody?.content['application/json'].schema;
  expect(bodyOf('POST /api/inject/v1')).toEqual(JSON.parse(JSON.stringify(injectionSchema)));
  expect(bodyOf('POST /api/admin/rebind/v1')).toMatchObject({ required: ['reason', 'data'] });
  expect(bodyOf('POST /api/admin/suspend/v1')).toMatchObject({
    additionalProperties: false,
    required: ['reason'],
    properties: {
      domain: { type: 'string' },
      queue_names: { type: 'array', items: { type: 'string' } },
      duration: { type: ['string', 'number'], default: '5 minutes' },
    },
  });
});
