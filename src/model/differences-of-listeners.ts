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
    'start_esmtp_listener.peer',
    'Of several blocks that hold an address the narrowest counts, in whatever order they are written.',
  ),
];
