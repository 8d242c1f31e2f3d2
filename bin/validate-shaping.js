#!/usr/bin/env node
// The command of its own name; the same as `moonpost validate-shaping`.
process.argv.splice(2, 0, 'validate-shaping');
await import('./moonpost.js');
