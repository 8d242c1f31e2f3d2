import type { OptionsDeclaration } from '../define/index.ts';
import { accountingLogOptions } from './accounting-log.ts';
import { adminBounceOptions, adminSuspendOptions, adminSuspendReadyQueueOptions } from './admin-rule.ts';
import { budgetOptions } from './budget.ts';
import { counterSeriesOptions } from './counter-series.ts';
import { dkimSignerOptions } from './dkim-signer.ts';
import { configureResolverOptions, nameServerOptions, resolverOptions } from './dns-resolver.ts';
import { egressPathOptions } from './egress-path.ts';
import { egressPoolEntryOptions, egressPoolOptions } from './egress-pool.ts';
import { egressSourceOptions, suspendOptions } from './egress-source.ts';
import { esmtpListenerOptions, esmtpOverrideOptions, traceHeaderOptions } from './esmtp-listener.ts';
import { httpListenerOptions } from './http-listener.ts';
import { consumerOptions, jsonLinesOptions, multiTailerOptions, tailerOptions } from './json-lines.ts';
import { listenerDomainOptions } from './listener-domain.ts';
import { localLogsOptions, perRecordOptions, plainLogsOptions, plainPerRecordOptions } from './local-logs.ts';
import { logDispositionHookOptions, logHookOptions } from './log-hook.ts';
import { memoizeOptions } from './memoize.ts';
import { queueOptions, shrinkOptions } from './queue.ts';
import {
  customLuaOptions,
  queueProtocolOptions,
  smtpProtocolOptions,
  xferProtocolOptions,
} from './queue-protocol.ts';
import { redisOptions, redisThrottleOptions } from './redis.ts';
import { testResolverOptions, testZoneOptions } from './resolver-shape.ts';
import { shapingLoadOptions } from './shaping.ts';
import { spawnTaskOptions } from './spawn-task.ts';
import { spoolOptions } from './spool.ts';

/** Every table of options that policies can give, a table before those nested in it. */
export const declaredOptions: readonly OptionsDeclaration<unknown>[] = [
  esmtpListenerOptions,
  traceHeaderOptions,
  esmtpOverrideOptions,
  httpListenerOptions,
  listenerDomainOptions,
  spoolOptions,
  localLogsOptions,
  perRecordOptions,
  plainLogsOptions,
  plainPerRecordOptions,
  accountingLogOptions,
  logHookOptions,
  logDispositionHookOptions,
  queueOptions,
  queueProtocolOptions,
  smtpProtocolOptions,
  customLuaOptions,
  xferProtocolOptions,
  shrinkOptions,
  egressPathOptions,
  egressPoolOptions,
  egressPoolEntryOptions,
  egressSourceOptions,
  suspendOptions,
  configureResolverOptions,
  nameServerOptions,
  resolverOptions,
  testResolverOptions,
  testZoneOptions,
  memoizeOptions,
  counterSeriesOptions,
  dkimSignerOptions,
  jsonLinesOptions,
  tailerOptions,
  multiTailerOptions,
  consumerOptions,
  shapingLoadOptions,
  spawnTaskOptions,
  adminBounceOptions,
  adminSuspendOptions,
  adminSuspendReadyQueueOptions,
  redisOptions,
  redisThrottleOptions,
  budgetOptions,
];
