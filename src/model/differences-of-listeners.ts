import { type Difference, decided } from './difference.ts';

/** Where SMTP listeners are not as those of KumoMTA. */
export const listenerDifferences: readonly Difference[] = [
  decided(
    'event',
    'smtp_server_split_transaction',
    'A table keyed by domain, as in an example of the KumoMTA documentation, is taken by its values; there it counts as an empty list.',
  ),
  decided(
    'option',
    'start_esmtp_listener.data_buffer_size',
    'Accepted without effect: the size of the read buffer of a socket is chosen by Node.',
  ),
  decided(
    'option',
    'start_esmtp_listener.peer',
    'Of several blocks that hold an address the narrowest counts, in whatever order they are written.',
  ),
  decided(
    'event',
    'smtp_server_auth_plain',
    'AUTH LOGIN asks it too. After three failures of an address, or ten of an account, further attempts are answered 454 4.7.0 for a while that doubles with each failure, without asking.',
  ),
  decided('behaviour', 'credentials in records and events', 'Lines of AUTH are shown as `AUTH ***`.'),
  decided(
    'behaviour',
    'XCLIENT after AUTH',
    'The identities that AUTH proved are forgotten: they were those of another client.',
  ),
  decided(
    'behaviour',
    'rejection after a PROXY header',
    'Is said and closes, as before the header. KumoMTA says it and goes on with the banner.',
  ),
  decided(
    'option',
    'start_esmtp_listener.deferred_spool',
    'The response of the Reception record says so. At most 256 MiB of bodies per shard are held in memory; beyond, messages go to disk at once.',
  ),
];
