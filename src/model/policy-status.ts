/** What the policy status endpoint and `moonpost policy status` answer. Names are those that clients see. */
export interface PolicyStatus {
  /** Number of the generation that serves; the first is 1. It is the configuration epoch as well. */
  generation: number;
  /** When it began to serve, RFC 3339. */
  since: string;
  /** The policy file. */
  policy: string;
  /** Files that it has read: the policy, what it requires, what it loads. */
  files: string[];
  /** Events that have a handler. */
  events: string[];
  /** Patterns of the files that are monitored besides. */
  monitored_globs: string[];
  /** Older generations in which handlers still wait, and how many, in all shards. */
  old_generations: { generation: number; running: number }[];
  /** A newer one is being built now. */
  is_building: boolean;
  /** Why what is on disk does not serve; null when it does. */
  failure: PolicyFailure | null;
  /** What `init` declares now and the running server does not have: it takes a restart. */
  needs_restart: DeclarationChange[];
}

export interface PolicyFailure {
  /** RFC 3339. */
  at: string;
  /** With the operator's file and line. */
  error: string;
  /** Files that had changed, or why else it was tried. */
  cause: string[];
}

/** Something of `init` that differs from what runs. */
export interface DeclarationChange {
  change: 'added' | 'removed' | 'changed';
  /** The function, such as `start_esmtp_listener`, and what tells several of them apart. */
  declaration: string;
  /** FILE:LINE of the call; of the running one where it was removed. */
  where: string;
  /** Options that differ, where it was changed. */
  options?: string[];
}
