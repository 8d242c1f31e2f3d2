import { type Difference, decided, extension } from './difference.ts';

/** Where SMTP traces are not as in KumoMTA. */
export const traceDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'ready_queue and rcpt_to of trace-smtp-client',
    'They select: `ready_queue` is compared with the name of the ready queue, of which KumoMTA never finds one, and `rcpt_to` leaves out sessions none of whose recipients it names, where KumoMTA leaves out nothing.',
  ),
  decided(
    'behaviour',
    'secrets in SMTP traces',
    'Credentials of AUTH are `***` in either direction, also where a peer or policy repeats them, and so are passwords in URLs, values of Authorization headers, private keys, and metadata whose name says that it is a secret. Credentials of fewer than 4 characters are told where a peer or policy repeats them.',
  ),
  decided(
    'behaviour',
    'bounds of SMTP traces',
    'For each reader at most 131,072 events wait, of all shards together, and fewer when their texts are long: 16 Mi characters. A reader who lags misses what happens while there is no room, not what happened first. There are at most 8 traces of the server side and 8 of the client side at a time; one more is answered with 503.',
  ),
  decided(
    'behaviour',
    'sessions of trace-smtp-client',
    'A session is one connection with one host, as in log records: each host that is tried begins one with an id of its own. MessageObtained comes when a session is about to send the message, so what comes before is told of no message.',
  ),
  decided(
    'behaviour',
    'Callback events of trace-smtp-server',
    'Told of events that policy handles, smtp_server_message_received among them; an event without handler makes none.',
  ),
  decided(
    'behaviour',
    'request frame of SMTP traces',
    'A request with unknown keys or wrong types, and one that does not come within 30 s, closes the websocket with 1008 and the reason. Requests with an Origin header are answered with 403: a web page could make them from the browser of an administrator.',
  ),
  extension(
    'behaviour',
    'trace-smtp-server and trace-smtp-client',
    '`--json` prints every event as it comes, one a line. `--only-one` ends with its session. When the server goes away the command says so and exits with 1.',
  ),
];
