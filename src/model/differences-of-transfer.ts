import { type Difference, decided } from './difference.ts';

/** Where the transfer of messages between nodes is not as in KumoMTA. */
export const transferDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'parcels between nodes',
    'Both nodes are Moonposts: what they send each other has a format of its own. To a node that answers anything but the new id of the message, nothing counts as transferred.',
  ),
  decided(
    'behaviour',
    'duplicates by transfer',
    'A message is on the disk of the other node before it leaves this one, so that a transfer that is cut loses nothing. Both have it when this one does not get the answer, or is killed before its disk knows of it; nothing else makes duplicates.',
  ),
  decided(
    'behaviour',
    'messages that xfer takes',
    'Those that wait in ready queues too, and those whose attempt under way fails within two minutes; what is delivered meanwhile has gone its own way. So does xfer-cancel.',
  ),
  decided(
    'behaviour',
    'queues to other nodes',
    'After 10 s a failed transfer is tried again, later every minute, and never expires there: max_age counts again at the other node. `target` may have no user, password or query, since it names the queue.',
  ),
  decided(
    'behaviour',
    'transfer to the node itself',
    'Is refused by that node, which KumoMTA means to do; the messages wait until xfer-cancel.',
  ),
  decided('behaviour', 'delivery_protocol of transfers', 'It is `xfer` in every record, of failed ones too.'),
  decided(
    'behaviour',
    'size of transferred messages',
    'They may have 256 MiB; `request_body_limit` is about other requests.',
  ),
];
