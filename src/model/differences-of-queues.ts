import { type Difference, decided, extension } from './difference.ts';

/** Where the way of a message through its queues is not as in KumoMTA. */
export const queueDifferences: readonly Difference[] = [
  decided(
    'function',
    'kumo.api.admin.bounce.bounce',
    'suppress_logging holds here too; KumoMTA ignores it. As there, what waits bounces when it is next due.',
  ),
  decided(
    'behaviour',
    'entries of suspend and bounce',
    'An entry without criteria ends at its time like any other. One that would be over at once, and more than 10,000 entries of a kind, are refused. When several entries select a queue the oldest holds. Of a bounce list at most 100,000 queues are counted by name; the totals are exact.',
  ),
  decided(
    'behaviour',
    'suspension of ready queues',
    'Holds for SMTP and Lua delivery; maildirs and deferred injection have no ready queue that could be suspended.',
  ),
  decided(
    'event',
    'throttle_insert_ready_queue',
    'The due time that the handler sets is kept. KumoMTA overwrites it with a random 0 to 59 s. During reception it is asked before max_message_rate of the queue.',
  ),
  decided(
    'behaviour',
    'max_message_rate of a queue',
    'What exceeds it waits in line, with its Delayed record, and goes on in order; requeue_message is not fired for it.',
  ),
  decided(
    'behaviour',
    'reasons of Delayed records and of requeue_message',
    'They begin with what holds the message up. Of what brought it that far only Received is told, for a message that policy throttles as it comes; DueTimeWasReached, Enumerated and the like are not. What finds another way at once (a suspended or changed ready queue, a source that fails, a connection that the peer closed) has no record, so these reasons are never seen either: ReadyQueueWasSuspended, ReadyQueueWasReaped, ProtocolChanged, SourceIsUnhealthyAndSuspended, PeerClosedConnection, TooManyRecipients.',
  ),
  decided(
    'function',
    'kumo.suspend_delivery_when_spool_unhealthy',
    'Accepted without effect: delivery goes on while the spool cannot be written, since a full disk gets free by it; mail is refused with 452 meanwhile. A message delivered then may be sent again if the server is killed before the disk works.',
  ),
  decided(
    'behaviour',
    'places in ready queues',
    'One that is only reserved, while a source is being chosen, is in no metric and makes no connection; that takes microseconds, or a question to Redis.',
  ),
  decided(
    'behaviour',
    'original_message of feedback_report',
    'When it is not UTF-8 and longer than 64 KiB it is text with replacement characters; a list of its bytes would be many times as long.',
  ),
  decided(
    'option',
    'make_queue_config.timerwheel_tick_interval',
    'Without effect: due times are exact, so there is no tick.',
  ),
  decided(
    'option',
    'make_queue_config.shrink_policy',
    'Without effect: a message that waits has nothing in memory but its place in the queue.',
  ),
  decided(
    'option',
    'make_egress_path.low_memory_reduction_policy',
    'Whatever it says, bodies of messages near delivery take at most 64 MiB per shard; beyond, they are read when they are sent.',
  ),
  decided(
    'endpoint',
    'GET /api/admin/inspect-sched-q/v1',
    'Shows the queues of every strategy, messages that are due or in a ready queue too. At most 10,000 messages, and 16 MiB of bodies for each shard: the data of what is beyond is null. Bodies are text with replacement characters where they are no UTF-8. queue_config is null before the first message asked policy for it.',
  ),
  decided(
    'endpoint',
    'GET /api/admin/inspect-message/v1',
    'Shows queued messages alone. It looks at every queued message of each shard, a thousand at a time; inspections take turns.',
  ),
  decided(
    'endpoint',
    'GET /api/admin/inspect-ready-q/v1',
    '`mx` and `detail` are always null, and the phases of gathering a batch and of asking for slots are not told apart from others. The pool is that of the next message, and the scheduled queues those of the 1,000 oldest of each shard. session_id is null before a host has greeted.',
  ),
  decided(
    'endpoint',
    'GET /api/admin/ready-q-states/v1',
    '`queues` selects the ready queues of those names; in KumoMTA it leaves them out. The texts of `context` are ours.',
  ),
  extension(
    'endpoint',
    'GET /api/admin/explain/v1',
    'Why a queued message (`id`), the mail of a queue (`queue`) or a message that somebody thinks of (`from`, `to`, `tenant`, `campaign`, `routing_domain`) is not delivered now, step by step, with where each option was said, and what comes next. Nothing is taken, made or counted. Handlers that receive mail and throttle_insert_ready_queue are not run. Of very many sources the first 8 are told of.',
  ),
  extension(
    'command',
    'explain',
    'The same as a page for a terminal, with the records of the message as far as its log can be read.',
  ),
  decided(
    'behaviour',
    'no descriptor or port left for a connection',
    'The message in hand waits 0 to 59 s, uncounted, with a Delayed record; neither the host nor the source is blamed, and operators are told once a minute. In KumoMTA it is a failed attempt.',
  ),
  decided(
    'behaviour',
    'memory limits',
    'Memory is looked at once a second, and a level is left 2 % below where it began. When there is none left the garbage of the engine is collected, at most once a minute; caches are not purged and log segments not closed, for they are small and bounded. A limit on address space (ulimit -v) does not count: the engine reserves far more than it uses. Sessions that are open may finish what they send.',
  ),
  decided(
    'option',
    'make_egress_path.dispatcher_wakeup_strategy',
    'Without effect: a new message is handed to one idle session and wakes no other.',
  ),
  decided(
    'option',
    'make_egress_path.maintainer_wakeup_strategy',
    'Without effect: every new message makes its ready queue look whether to open connections, which costs next to nothing. max_connection_rate holds for each attempt to connect, not for that look.',
  ),
  decided(
    'option',
    'make_egress_path.readyq_pool_name',
    'Without effect: there are shards in place of thread pools.',
  ),
  extension('option', 'make_egress_path.max_deliveries_per_connection', '0 means no limit.'),
  decided(
    'behaviour',
    'get_egress_pool and get_egress_source that fail',
    'A raised error keeps the pool or source that was known before, for another 60 s. One that is not defined any more holds the mail.',
  ),
  decided(
    'behaviour',
    'connections whose slot another ready queue or shard wants',
    'They close: idle ones at once, no more of them than are wanted, the others after the message in hand. Who holds none is served first. KumoMTA lets whoever wants one wait until a connection ends. Between nodes that share Redis it is as in KumoMTA.',
  ),
  decided(
    'behaviour',
    'connection_limit that is lowered',
    'Connections above it close after the message in hand.',
  ),
  decided(
    'behaviour',
    'custom_lua that fails',
    'After three errors of send or send_batch in a row the ready queue opens no connection for 250 ms, and 250 ms longer after each further one, 10 s at most, until a call ends without an error; a kumo.reject is no error. What waits is not tried meanwhile, so that a webhook that is away costs the mail nothing. ready-q-states tells it as connection_limited.',
  ),
  decided(
    'behaviour',
    'connections of custom_lua',
    'A shard has at most 64 connection objects, each in a Lua state of its own that serves nothing else; one beyond waits, and the others make room after the batch in hand. After a change of the policy connections end after the batch in hand, and new ones are of the new policy. What connections keep in global variables ends with each call.',
  ),
];
