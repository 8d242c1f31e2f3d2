import { measured } from '../../model/index.ts';

/** How long the steps of delivery over SMTP take, each to the answer of the peer. */
export const phases = {
  connect: measured.histogram('delivery_phase_latency', 'connect'),
  banner: measured.histogram('delivery_phase_latency', 'banner'),
  ehlo: measured.histogram('delivery_phase_latency', 'ehlo'),
  tls: measured.histogram('delivery_phase_latency', 'tls'),
  auth: measured.histogram('delivery_phase_latency', 'auth'),
  mail: measured.histogram('delivery_phase_latency', 'mail'),
  data: measured.histogram('delivery_phase_latency', 'data'),
  dot: measured.histogram('delivery_phase_latency', 'dot'),
};

/** The step that a line of the greeting belongs to, as far as it is measured by its answer. */
export function greetingPhase(line: string): (typeof phases)[keyof typeof phases] | undefined {
  if (line === '') return phases.banner;
  if (line.startsWith('AUTH')) return phases.auth;
  return /^(?:EHLO|HELO|LHLO)/.test(line) ? phases.ehlo : undefined;
}
