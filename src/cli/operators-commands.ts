import type { Command } from 'commander';
import { abortReadyQueueConnectionCommand } from './abort-ready-q-conn.ts';
import { bounceCommand } from './bounce.ts';
import { bounceCancelCommand } from './bounce-cancel.ts';
import { bounceListCommand } from './bounce-list.ts';
import { explainCommand } from './explain.ts';
import { inspectMessageCommand } from './inspect-message.ts';
import { inspectReadyQueueCommand } from './inspect-ready-q.ts';
import { inspectScheduledQueueCommand } from './inspect-sched-q.ts';
import { providerSummaryCommand } from './provider-summary.ts';
import { queueSummaryCommand } from './queue-summary.ts';
import { rebindCommand } from './rebind.ts';
import { resolveEgressPathCommand } from './resolve-egress-path.ts';
import { setLogFilterCommand } from './set-log-filter.ts';
import { spoolCompactCommand } from './spool-compact.ts';
import { suspendCommand } from './suspend.ts';
import { suspendCancelCommand } from './suspend-cancel.ts';
import { suspendListCommand } from './suspend-list.ts';
import { suspendReadyQueueCommand } from './suspend-ready-q.ts';
import { suspendReadyQueueCancelCommand } from './suspend-ready-q-cancel.ts';
import { suspendReadyQueueListCommand } from './suspend-ready-q-list.ts';
import { topCommand } from './top.ts';
import { traceSmtpClientCommand } from './trace-smtp-client.ts';
import { traceSmtpServerCommand } from './trace-smtp-server.ts';
import { xferCommand } from './xfer.ts';
import { xferCancelCommand } from './xfer-cancel.ts';

/** The commands that ask a running server (operations.md 8). */
export function operatorsCommands(): Command[] {
  return [
    topCommand(),
    queueSummaryCommand(),
    providerSummaryCommand(),
    explainCommand(),
    inspectMessageCommand(),
    inspectScheduledQueueCommand(),
    inspectReadyQueueCommand(),
    abortReadyQueueConnectionCommand(),
    resolveEgressPathCommand(),
    suspendCommand(),
    suspendListCommand(),
    suspendCancelCommand(),
    suspendReadyQueueCommand(),
    suspendReadyQueueListCommand(),
    suspendReadyQueueCancelCommand(),
    bounceCommand(),
    bounceListCommand(),
    bounceCancelCommand(),
    rebindCommand(),
    xferCommand(),
    xferCancelCommand(),
    traceSmtpServerCommand(),
    traceSmtpClientCommand(),
    setLogFilterCommand(),
    spoolCompactCommand(),
  ];
}
