import { systemClock } from './io/clock/index.ts';
import { createDiagnostics } from './io/diagnostics/index.ts';
import { LocalCounters, LocalThrottles } from './io/limits/index.ts';
import { MessageQueues } from './model/kept/index.ts';
import { coordinatorHost, makeEngine } from './policy-start.ts';

/**
 * `--script`: loads the policy and runs its event `main` with the arguments, without pre_init and init
 * (policy-api.md 1.1). Gives the exit code: 0, or 1 after an error, which is printed with file and line.
 */
export async function runScript(file: string, args: readonly string[]): Promise<number> {
  const diagnostics = createDiagnostics(process.env.KUMOD_LOG ?? 'error');
  const limits = { throttles: new LocalThrottles(systemClock), counters: new LocalCounters() };
  const host = coordinatorHost({ file, diagnostics, limits }, [], {
    queues: new MessageQueues(systemClock),
  });
  const failed = (text: string): number => {
    process.stderr.write(`Error: ${text}\n`);
    return 1;
  };
  try {
    const engine = await makeEngine(file, host, { script: true });
    const result = await engine.fire('main', args);
    engine.close();
    switch (result.kind) {
      case 'absent':
        return failed(`${file}: Event main has not been registered`);
      case 'error':
        return failed(result.message);
      case 'reject':
        return failed(`${result.code} ${result.text}`);
      case 'values':
        return 0;
    }
  } catch (error) {
    return failed((error as Error).message);
  }
}
