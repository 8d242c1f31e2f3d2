// The thread pool takes its size when it is first used, so nothing may be imported before that line: fsync, DNS of the
// system and DKIM share those threads. More of them than have work are woken in turn, each with cold caches.
process.env.UV_THREADPOOL_SIZE ??= String(
  4 * Math.max(2, process.getBuiltinModule('node:os').availableParallelism()),
);
const { runCommandLine } = await import('./cli/index.ts');
await runCommandLine(process.argv);
