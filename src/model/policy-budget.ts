/** What a run of policy may use, in the words of `kumo.policy.set_budget`; times in milliseconds. */
export interface PolicyBudget {
  readonly cpu_time: number;
  readonly load_time: number;
  readonly instructions: number;
  readonly memory: number;
  readonly unbroken_time: number;
  readonly call_time: number;
  readonly depth: number;
  readonly string_size: number;
  readonly pattern_steps: number;
}
