/** Where Moonpost is not as KumoMTA is: on purpose, by something of its own, or not yet. */
export interface Difference {
  /** What it is about, in the words of `moonpost api --json`; `behaviour` for the rest. */
  readonly kind:
    | 'event'
    | 'function'
    | 'method'
    | 'option'
    | 'endpoint'
    | 'command'
    | 'metric'
    | 'log_field'
    | 'behaviour';
  readonly name: string;
  readonly reason: string;
  /** `decided`: stays so. `extension`: only Moonpost has it. `planned`: comes later. */
  readonly status: 'decided' | 'extension' | 'planned';
}

export const decided = (kind: Difference['kind'], name: string, reason: string): Difference => ({
  kind,
  name,
  reason,
  status: 'decided',
});
export const extension = (kind: Difference['kind'], name: string, reason: string): Difference => ({
  kind,
  name,
  reason,
  status: 'extension',
});
export const planned = (kind: Difference['kind'], name: string, reason: string): Difference => ({
  kind,
  name,
  reason,
  status: 'planned',
});
