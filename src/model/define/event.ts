/** What one handler argument is. */
export interface EventArgument {
  readonly name: string;
  readonly luaType: string;
}

/** A decision that policy may take: when it is asked for, with what, and what its answer or failure means. */
export interface EventDeclaration {
  readonly name: string;
  /** Several handlers may be registered; the first that returns a value ends the chain. */
  readonly multiple: boolean;
  readonly args: readonly EventArgument[];
  /** LuaLS type of the result; '' when the result is ignored. */
  readonly returns: string;
  readonly when: string;
  readonly often: string;
  /** What of the handler's changes is kept, and where. */
  readonly persisted: string;
  /** What kumo.reject and other errors lead to. */
  readonly failure: string;
  /** What holds without a handler, and what else is to be said. */
  readonly doc: string;
  /** A policy that shows it. */
  readonly example?: string;
  readonly since: string;
  /** `planned`: the name is known, so that a policy may register it, and it does not fire yet. */
  readonly status: 'now' | 'planned';
}

/** `args` maps names to LuaLS types, in the order of the handler's parameters. */
export function defineEvent(
  event: Omit<EventDeclaration, 'args' | 'multiple' | 'returns' | 'since' | 'status'> & {
    args: Readonly<Record<string, string>>;
    multiple?: boolean;
    returns?: string;
    since?: string;
    status?: 'now' | 'planned';
  },
): EventDeclaration {
  return {
    multiple: false,
    returns: '',
    since: '0.1.0',
    status: 'now',
    ...event,
    args: Object.entries(event.args).map(([name, luaType]) => ({ name, luaType })),
  };
}
