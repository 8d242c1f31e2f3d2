import { openApi } from '../api/http/index.ts';

/** The OpenAPI document, as `--dump-openapi-spec` prints it. */
export function openApiText(): string {
  return `${JSON.stringify(openApi(), null, 2)}\n`;
}
