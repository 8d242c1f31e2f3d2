import type { FastifyInstance } from 'fastify';
import type { Json } from '../../model/index.ts';

/** What the page shows of one operation of the document. */
interface Operation {
  summary?: string;
  parameters?: { name: string; required: boolean; schema: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { content?: Record<string, { schema: Json }> }>;
}

type Paths = Record<string, Record<string, Operation>>;

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}' +
  'summary{cursor:pointer;padding:.2rem 0}code,pre{font-family:ui-monospace,monospace}' +
  'pre{background:#f4f4f4;padding:.7rem;overflow:auto}h2{font-size:1rem;margin:.7rem 0 0}';

/** GET /rapidoc: the OpenAPI document for people. It has no program, so it loads nothing from anywhere. */
export function explorer(app: FastifyInstance, document: () => object): void {
  let page: string | undefined;
  app.get('/rapidoc', async (_request, reply) => {
    page ??= pageOf(document());
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .header('x-content-type-options', 'nosniff')
      .send(page);
  });
}

function pageOf(document: object): string {
  const { info, paths } = document as { info: { title: string; description: string }; paths: Paths };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      operationHtml(`${method.toUpperCase()} ${path}`, operation),
    ),
  );
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(info.title)}</title>`,
    `<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>`,
    `<h1>${escapeHtml(info.title)}</h1><p>${escapeHtml(info.description)}</p>`,
    '<p><a href="/api-docs/openapi.json">openapi.json</a></p>',
    ...operations,
    '</body></html>\n',
  ].join('\n');
}

function operationHtml(
  name: string,
  { summary = '', parameters, requestBody, responses }: Operation,
): string {
  const query = Object.fromEntries((parameters ?? []).map((one) => [one.name, one.schema]));
  return [
    `<details><summary><code>${escapeHtml(name)}</code> ${escapeHtml(summary)}</summary>`,
    ...(parameters === undefined ? [] : [schemaHtml('Query', query)]),
    ...Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
      schemaHtml(`Body, ${type}`, schema),
    ),
    ...Object.entries(responses[200]?.content ?? {}).map(([type, { schema }]) =>
      schemaHtml(`Answer, ${type}`, schema),
    ),
    '</details>',
  ].join('\n');
}

function schemaHtml(title: string, schema: Json): string {
  return `<h2>${escapeHtml(title)}</h2><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
