/** Runs the conformance suites and prints how many cases hold, and each that does not. Run: npm run conformance */
import { arcSuite, dkimSuite } from './signature-suites.ts';
import { spfSuite } from './spf-suite.ts';
import type { Verdict } from './verdict.ts';

const SUITES: [string, () => Promise<Verdict[]>][] = [
  ['SPF, test file of RFC 7208', spfSuite],
  ['DKIM, examples of RFC 6376 and RFC 8463', dkimSuite],
  ['ARC, vectors of dkimpy and the rules of RFC 8617', arcSuite],
];

for (const [title, run] of SUITES) {
  const verdicts = await run();
  const failed = verdicts.filter(({ problem }) => problem !== undefined);
  process.stdout.write(`${title}: ${verdicts.length - failed.length}/${verdicts.length}\n`);
  for (const { name, problem } of failed) process.stdout.write(`  ${name}: ${problem}\n`);
  if (failed.length > 0) process.exitCode = 1;
}
