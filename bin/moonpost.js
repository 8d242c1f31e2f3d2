#!/usr/bin/env node
// Plain JavaScript on purpose: it must run far enough on any Node to say which one is needed.
import { existsSync } from 'node:fs';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    `moonpost needs Node 24 or newer; this is Node ${process.versions.node} (${process.execPath})`,
  );
  process.exit(1);
}
// Node strips types from src/ in a checkout; inside node_modules it refuses to, so the package ships dist/.
const source = new URL('../src/main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href);
