import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Version of Moonpost, from the package. */
export function productVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Where the Lua helpers live that policies require as `policy-extras.NAME`. */
export function helpersDirectory(): string {
  return fileURLToPath(new URL('../../../helpers', import.meta.url));
}
