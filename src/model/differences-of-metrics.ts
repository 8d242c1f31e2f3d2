import { type Difference, decided, extension, planned } from './difference.ts';

/** Where metrics are not as in KumoMTA. */
export const metricDifferences: readonly Difference[] = [
  extension(
    'metric',
    'delivery_phase_latency',
    'Seconds of each step of delivery over SMTP: connect, banner, ehlo, tls, auth, mail, data (from the answer to MAIL FROM to the go-ahead), dot.',
  ),
  extension(
    'behaviour',
    'names of /metrics and /metrics.json',
    '`?names=ready_count,connection_count` gives these metrics alone, which with very many queues is less work than all.',
  ),
  extension(
    'metric',
    'spool_commit_latency',
    'Seconds to write and sync a group of records; message_save_latency is what one message waits for.',
  ),
  decided(
    'metric',
    'scheduled_count, scheduled_by_domain, scheduled_by_tenant, scheduled_by_tenant_campaign',
    'Count every message of a queue, those in ready queues and being delivered too, as inspect-sched-q does. The last three have no series for what has no mail.',
  ),
  decided(
    'metric',
    'queued_count_by_provider, queued_count_by_provider_and_pool',
    'A message counts once, for the provider of its scheduled queue: `provider_name` of its configuration, else of the site that its mail goes to. A queue that has neither, as long as nothing of it was tried, is not counted.',
  ),
  decided(
    'metric',
    'scheduled_queue_maintainer_count',
    'One timer looks after all queues, so the number is that of the queues. total_qmaint_runs counts how often it looks, total_readyq_runs looks at a ready queue.',
  ),
  decided(
    'metric',
    'thread_pool_size, thread_pool_parked',
    'The pools are `shard`, `coordinator` and `libuv`. `thread_pool_parked` is told of `shard`: the part of the time since the last scrape in which the shards had nothing to do, as a number of shards.',
  ),
  decided(
    'metric',
    'rocks_spool_*',
    'By the path of the data spool, whatever its kind: `rocks_spool_write_stopped` and `rocks_spool_load_shed_active` are 1 while the last write failed, `rocks_spool_background_errors` counts those that did. The others are about RocksDB and have no samples.',
  ),
  decided(
    'metric',
    'memory_usage_rust',
    'The JavaScript heap. The metrics of the runtime, `tokio_*`, are not there.',
  ),
  decided(
    'metric',
    'lruttl_*',
    'Are about the caches of `kumo.memoize`, by their names; of the others `mta_sts_policy` counts errors. What DKIM and DNS keep is in dkim_signer_* and dns_mx_resolve_*.',
  ),
  decided(
    'metric',
    'dane_result_count',
    'There is no `insecure_chain`: what DNSSEC does not prove is `not_applicable`.',
  ),
  decided(
    'metric',
    'log_submit_latency, log_submit_full',
    'Loggers of kumo.policy.configure_plain_logs are `output-OUTPUT`.',
  ),
  decided(
    'behaviour',
    'metrics.json',
    'Every declared metric is there, with the value null when it has no samples. `prefix` works there too.',
  ),
  planned('behaviour', 'samples of bounce_classify_latency', 'Comes with the classification of bounces.'),
];
