import type { AuthInfo, Identity } from '../connection-meta.ts';
import type { AccessRule } from './access-rule.ts';

/** One line of the audit log (operations.md 2.4). Holds no password and no token. */
export type AuditRecord =
  | {
      type: 'Authentication';
      /** RFC 3339. */
      timestamp: string;
      attempted_identity: Identity;
      success: boolean;
      auth_info: AuthInfo;
    }
  | {
      type: 'Authorization';
      timestamp: string;
      target_resource: string;
      privilege: string;
      access: 'Allow' | 'Deny';
      /** Where the rule stands that decided. */
      matching_resource?: string;
      rule?: AccessRule;
      auth_info: AuthInfo;
      considered_resources: readonly string[];
    };

/** Takes what was decided about requests. */
export interface AuditLog {
  /** So much waits to be written that nothing more may be asked. */
  readonly isStalled: boolean;
  write(record: AuditRecord): void;
}
