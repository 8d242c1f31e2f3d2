import { Command } from 'commander';
import {
  formatDuration,
  formatThrottleSpec,
  gcraCapacity,
  parseThrottleSpec,
  type ThrottleSpec,
} from '../model/index.ts';

/** `moonpost explain-throttle SPEC` */
export function explainThrottleCommand(): Command {
  return new Command('explain-throttle')
    .description('what a rate such as 100/h,max_burst=10 comes to')
    .argument('<spec>')
    .action((text: string) => {
      const spec = parseThrottleSpec(text);
      if ('problem' in spec) throw new Error(spec.problem);
      process.stdout.write(explainThrottle(spec));
    });
}

const SECOND = 1000;
const PERIODS = [
  ['second', SECOND],
  ['minute', 60 * SECOND],
  ['hour', 3600 * SECOND],
  ['day', 86_400 * SECOND],
] as const;

/** The rate in words. */
export function explainThrottle(spec: ThrottleSpec): string {
  const interval = spec.period / spec.limit;
  const rates = PERIODS.map(([name, period]) => `${rounded(period / interval)} per ${name}`);
  return [
    `throttle  ${formatThrottleSpec(spec)}`,
    `burst     ${gcraCapacity(spec)} at once after a pause`,
    `then      one every ${formatDuration(Math.round(interval * 1000) / 1000)}`,
    `rate      ${rates.join(', ')}`,
    `counted   ${spec.local ? 'by this process alone' : 'by this process, or by all nodes that share Redis'}`,
    '',
  ].join('\n');
}

function rounded(rate: number): string {
  return rate >= 100 ? String(Math.round(rate)) : String(Number(rate.toPrecision(3)));
}
