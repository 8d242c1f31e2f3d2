process.env.UV_THREADPOOL_SIZE ??= '16';
// The thread pool takes its size when it is first used, so nothing may be imported before that line: fsync,
// DNS of the system and DKIM share those threads.
const { runCommandLine } = await import('./cli/index.ts');
await runCommandLine(process.argv);
