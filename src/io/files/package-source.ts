import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface PackageSource {
  readonly version: string;
  /** Absolute path of the package. */
  readonly directory: string;
  /** File name, such as `lvm.js`, to text. */
  readonly files: ReadonlyMap<string, string>;
}

/** Reads the JavaScript files of one folder of an installed npm package, together with its version. */
export function readPackageSource(packageName: string, folder: string): PackageSource {
  const resolve = createRequire(import.meta.url).resolve;
  const manifestPath = resolve(`${packageName}/package.json`);
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8')) as { version: string };
  const directory = dirname(manifestPath);
  const files = new Map<string, string>();
  for (const name of readdirSync(join(directory, folder))) {
    if (name.endsWith('.js')) files.set(name, readFileSync(join(directory, folder, name), 'utf8'));
  }
  return { version: manifest.version, directory, files };
}
