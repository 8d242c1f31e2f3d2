import { type Difference, decided, extension, planned } from './difference.ts';
import { accessDifferences } from './differences-of-access.ts';
import { deliveryDifferences } from './differences-of-delivery.ts';
import { dnsDifferences } from './differences-of-dns.ts';
import { helperDifferences } from './differences-of-helpers.ts';
import { injectionDifferences } from './differences-of-injection.ts';
import { listenerDifferences } from './differences-of-listeners.ts';
import { messageDifferences } from './differences-of-messages.ts';
import { metricDifferences } from './differences-of-metrics.ts';
import { moduleDifferences } from './differences-of-modules.ts';
import { operationDifferences } from './differences-of-operation.ts';
import { queueDifferences } from './differences-of-queues.ts';
import { reloadDifferences } from './differences-of-reload.ts';
import { shapingDifferences } from './differences-of-shaping.ts';
import { sourceDifferences } from './differences-of-sources.ts';

const behaviour: readonly Difference[] = [
  decided(
    'behaviour',
    'full ready queue',
    'A full ready queue is refilled as places become free, instead of sending messages back for a random 0 to 59 s. The Delayed record stays.',
  ),
  decided(
    'behaviour',
    'failed queue resolution or throttle event',
    'A message whose queue cannot be found, or whose throttle event fails, at start or when it is due, is put back with backoff; it is never stuck until a restart.',
  ),
  decided(
    'behaviour',
    'retry_after of throttles',
    'Exact to a millisecond inside; whole seconds only in what Lua and HTTP see.',
  ),
  decided(
    'behaviour',
    'running as root without --user',
    'One warning, then it goes on; KumoMTA refuses to start.',
  ),
  decided(
    'behaviour',
    'attempts and due times',
    'Kept in the spool, so that a restart does not send everything at once; KumoMTA forgets them.',
  ),
  decided(
    'behaviour',
    'threads',
    'Moonpost runs shards (`--shards N`) instead of thread pools; the functions that size pools are accepted and say so once.',
  ),
  decided(
    'behaviour',
    'banner and Received',
    'They name Moonpost. What other programs match on stays: `KumoMTA internal: ` texts, X-KumoRef, and kumo.version, which is the release of KumoMTA whose API this is.',
  ),
  decided(
    'behaviour',
    'budgets',
    'A handler that runs for more than 200 ms of processor time, 50,000,000 instructions, 128 MiB of allocations, or 10 ms where it cannot be suspended, is stopped, whatever pcall encloses it; strings that Lua builds have at most 8 MiB, and calls nest 20,000 deep. In SMTP the command is answered 451 and the session goes on. `kumo.policy.set_budget` sets other numbers. KumoMTA has no budgets.',
  ),
  decided(
    'behaviour',
    'table.sort',
    'Keeps the order of equal items, may wait in its comparison function, and raises no error for a contradictory one.',
  ),
  decided(
    'behaviour',
    'events fired by handlers',
    'At most 16 deep, such as key sources that fire an event; one more is an error.',
  ),
  decided(
    'behaviour',
    'line breaks in headers',
    'prepend_header and append_header refuse a value with a line break that would begin a header of its own; KumoMTA writes it.',
  ),
  decided(
    'behaviour',
    'EHLO and HELO in a transaction',
    'End the transaction, as RFC 5321 says. KumoMTA keeps it.',
  ),
  decided(
    'behaviour',
    'refusals at the end of DATA or BDAT',
    'The transaction is over after any answer, also after 552 (too big) and 500 (line too long). KumoMTA keeps it open until RSET.',
  ),
  decided(
    'behaviour',
    'bare CR or LF, and NUL, in message data',
    'With invalid_line_endings = Deny a bare CR or LF is answered 552 5.6.0 and the connection closes, because what follows may be smuggled commands. NUL is answered so in every mode.',
  ),
  decided('behaviour', 'non-ASCII addresses without SMTPUTF8', 'Answered 553 5.6.7, at MAIL and at RCPT.'),
  decided(
    'behaviour',
    'ESMTP parameters',
    'Unknown parameters of MAIL and RCPT are answered 555 5.5.4. A SIZE over max_message_size is refused at MAIL with 552 5.3.4.',
  ),
  decided('behaviour', 'EHLO list', 'Has CHUNKING and SIZE too, and AUTH has LOGIN.'),
  decided(
    'behaviour',
    'kumo.reject with an empty text',
    'Still writes a reply, or the client would wait for it.',
  ),
  decided(
    'behaviour',
    'the end of a session after 421',
    'The server closes the connection after every 421, whoever caused it.',
  ),
  decided(
    'behaviour',
    '8-bit recipient and a peer without SMTPUTF8',
    'That recipient fails alone with 554 5.6.7; KumoMTA fails all recipients of the message.',
  ),
  decided(
    'behaviour',
    'addresses with control characters, blanks or angle brackets',
    'Are refused here with 553 5.1.7 (sender) or 553 5.1.3 (recipient) and never reach the wire.',
  ),
  decided(
    'behaviour',
    'failing get_egress_pool, get_egress_source and get_egress_path_config',
    'They are asked only after the message is on disk and acknowledged, so a failure makes it wait and is never answered 421.',
  ),
  decided(
    'behaviour',
    'failing spool_message_enumerated',
    'Is logged, and the message is scheduled as it is. KumoMTA stops the start.',
  ),
  decided(
    'behaviour',
    'damaged spool records',
    'Are set aside and reported; a message whose body is damaged bounces. KumoMTA deletes metadata that it cannot read.',
  ),
  decided(
    'behaviour',
    'Delayed records',
    'Are not written for a message that came while its queue was being looked up, also when it then waits for a rate or a full ready queue.',
  ),
  decided(
    'option',
    'make_egress_path.max_ready',
    'Is divided among the shards: each holds its part, rounded up.',
  ),
  decided(
    'option',
    'start_esmtp_listener.max_connections',
    'Counts in each shard by itself; the process as a whole takes up to that many times the number of shards.',
  ),
  decided(
    'behaviour',
    'integers of Lua',
    'Have 53 bits instead of 64 and do not wrap: a larger result becomes a float. The bit operators and string.pack work as on 64 bits, as far as the result fits.',
  ),
  decided(
    'behaviour',
    'memory of Lua',
    'The collector is that of JavaScript: __gc and __mode have no effect, and collectgarbage does nothing but give figures. A string has at most 256 MB.',
  ),
  decided(
    'behaviour',
    'patterns of Lua',
    'A call of string.find, match, gmatch or gsub that takes more than four million steps, and 32 per byte of its subject, raises `pattern takes too many steps`, so that no remote text can stall the server.',
  ),
  decided(
    'behaviour',
    'small things of Lua',
    'A fourth value of an iterator is not closed when the loop ends; a variable declared <close> is. __le falls back to __lt, as in Lua 5.3.',
  ),
  decided(
    'behaviour',
    'lists in options',
    'A table with names where a list is expected is an error. KumoMTA takes it for an empty list.',
  ),
  decided(
    'behaviour',
    'whole floats',
    'JSON text, metadata, and what memoize, maps and queues keep have 1 for the float 1.0. JSON, TOML, YAML and SQLite that say 1.0 give a float, as in KumoMTA. Floats from 2^31 to 2^53 print without `.0`.',
  ),
  decided(
    'behaviour',
    'files of Lua',
    'io.open takes regular files and harmless devices; pipes, sockets and terminals would stop a thread. At most 256 files of a thread are open, and one read gives at most 64 MiB. Writes are not held back in a buffer. Standard input is not there.',
  ),
  decided(
    'behaviour',
    'sandbox of policies',
    'Has no processes (os.execute, io.popen), no os.exit, no bytecode (string.dump, binary chunks), no native libraries, and of `debug` only what reads.',
  ),
  decided(
    'option',
    'define_spool.flush',
    'Is true unless set: mail is on disk before it is acknowledged. KumoMTA: false.',
  ),
  decided(
    'option',
    'define_spool.kind',
    'RocksDB, or nothing, selects the segment log of Moonpost. LocalDisk is one fsynced file per message. KumoMTA: LocalDisk. A spool that KumoMTA wrote is not read.',
  ),
  decided('option', 'define_spool.rocks_params', 'Accepted without effect; there is no RocksDB.'),
  decided('option', 'start_esmtp_listener.banner', 'Is `Moonpost` unless set. KumoMTA: `KumoMTA`.'),
  decided(
    'option',
    'make_queue_config.strategy',
    'All names select the one structure that Moonpost has, which is exact to a millisecond.',
  ),
  decided(
    'method',
    'message:set_sender',
    'Takes address objects too, as the documentation of KumoMTA says; its code refuses them. The same holds for set_recipient.',
  ),
  ...messageDifferences,
  ...accessDifferences,
  ...deliveryDifferences,
  decided(
    'behaviour',
    'log hooks',
    'The message of a record is handed to the spool before the message that it is about can leave it, so kill -9 loses neither; KumoMTA keeps records under way in memory. A full hook takes no mail and pauses queues. What a full disk refuses waits in memory and is tried again. A template that fails on a record leaves it in JSON.',
  ),
];

const modules: readonly Difference[] = [
  decided(
    'function',
    'kumo.memoize',
    'Caches per shard; KumoMTA has one cache per process. Tables keep their order.',
  ),
  decided(
    'function',
    'kumo.regex.compile',
    'Look-around and back-references raise an error that names the pattern: every match takes linear time. A pattern has at most 100,000 characters. \\W and \\S within brackets, and \\b, are those of ASCII.',
  ),
  decided(
    'function',
    'kumo.cidr.make_map',
    'The narrowest block wins whatever the order; in KumoMTA a broader block that is assigned erases the narrower ones.',
  ),
  decided(
    'function',
    'kumo.regex_set_map.new',
    'The order of the table is the order of the text, so the first match is always the same one.',
  ),
];

const moreModules: readonly Difference[] = [
  decided(
    'method',
    'http_request:body',
    'Takes any bytes; timeout takes whole numbers too; the body of an answer may be read more than once, and its headers at any time. Bodies of more than 64 MiB are an error.',
  ),
  decided(
    'method',
    'sqlite_database:execute',
    'A SELECT without rows gives an empty list, whatever its columns.',
  ),
  decided(
    'function',
    'kumo.serde.toml_encode',
    'Keys without a value are left out; toml_encode_pretty writes lists over several lines. Where lines break may differ from KumoMTA.',
  ),
  decided(
    'function',
    'kumo.encode.charset_encode',
    'Does not write iso-2022-jp; charset_decode reads it. Names are those of the WHATWG.',
  ),
  decided(
    'function',
    'kumo.string.eval_template',
    'A template may take half a million steps. Of the functions of minijinja-contrib those of dates know the medium style in UTC only.',
  ),
  decided(
    'function',
    'kumo.string.normalize_smtp_response',
    'Finds queue ids by the mixture of letters and digits, without a dictionary of words.',
  ),
  decided(
    'function',
    'kumo.dns.configure_unbound_resolver',
    'The name servers are asked by the resolver of Moonpost, as with configure_resolver; that an answer is secure is what a trusted server says of it.',
  ),
  decided(
    'function',
    'kumo.dns.set_mx_timeout',
    'Unless it is set, a look-up of an MX takes as long as the options of the resolver allow (KumoMTA: 5 s), so that a second name server is asked when the first is silent; unless set_mx_negative_cache_ttl is, failures are kept as long as DNS says (5 min); the 128 of set_mx_concurrency_limit are those of each shard, and answers from the cache need none.',
  ),
  decided(
    'function',
    'kumo.fs.glob',
    'Paths are sorted, and relative to `base` unless the pattern is absolute.',
  ),
];

const shardModules: readonly Difference[] = [
  decided(
    'function',
    'kumo.jsonl.new_tailer',
    'Reads plain segments too, and several that grow at one time. A checkpoint has a form of its own, and that of KumoMTA is understood; a batch that a filter leaves empty is committed.',
  ),
  decided(
    'function',
    'kumo.jsonl.new_writer',
    'Each shard writes files of its own, whose names have the number of its thread before the suffix. Lines are on disk within a second; a stop of the server loses those that are not, unless the policy closes the writer.',
  ),
  decided(
    'function',
    'kumo.file_type.from_bytes',
    'Knows some fifty kinds of files that mail carries; KumoMTA knows more.',
  ),
  decided(
    'method',
    'mpsc_queue:send',
    'The queues are in the main thread. Maps such as domain_map cannot be sent from one thread to another.',
  ),
  decided(
    'function',
    'kumo.spawn_task',
    'A task of init runs on one shard, once mail is taken; one of a handler on its shard.',
  ),
];

const extensions: readonly Difference[] = [
  extension('function', 'kumo.policy.version', 'The version of Moonpost itself.'),
  extension(
    'function',
    'kumo.policy.set_budget',
    'What a call of a handler may use. KumoMTA has no such limits: an endless loop there holds a thread for good.',
  ),
  extension('command', 'generate', 'Writes policy/types and policy/reference from the declarations.'),
  extension('command', 'api', 'Prints everything that is declared, as JSON with --json.'),
  extension('command', 'sink', 'A receiving server for trying policies out.'),
  extension('command', 'tail', 'Follows delivery logs, for people or as JSON, and chooses records.'),
  extension(
    'command',
    'tailer',
    'The program of that name of KumoMTA, with `--no-follow` and the options of tail that choose records.',
  ),
];

const later: readonly Difference[] = [
  planned(
    'behaviour',
    'tsa-daemon',
    'Comes later; before it, setup_with_automation{publish, subscribe} speaks to an existing one.',
  ),
  planned(
    'behaviour',
    'proxy-server',
    'Comes later; so do the events proxy_init and proxy_server_auth_rfc1929.',
  ),
  planned(
    'behaviour',
    'options marked `later` in the reference pages',
    'They are checked now and take effect in a later release; using one says so once, with file and line.',
  ),
  planned(
    'event',
    'events marked `planned` in events.md',
    'Handlers may be registered; the events do not fire yet.',
  ),
  planned(
    'behaviour',
    'classification of bounces',
    'kumo.configure_bounce_classifier is accepted and says so once; the field stays `Uncategorized`. validate-bounces comes with it.',
  ),
];

export const differences: readonly Difference[] = [
  ...listenerDifferences,
  ...metricDifferences,
  ...operationDifferences,
  ...queueDifferences,
  ...injectionDifferences,
  ...dnsDifferences,
  ...reloadDifferences,
  ...sourceDifferences,
  ...shapingDifferences,
  ...behaviour,
  ...modules,
  ...moreModules,
  ...shardModules,
  ...extensions,
  ...later,
  ...moduleDifferences,
  ...helperDifferences,
];
