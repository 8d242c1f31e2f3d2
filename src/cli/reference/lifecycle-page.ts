import { events } from '../../model/events/index.ts';
import { markdownTable } from './markdown.ts';

/** The way of a message from top to bottom; what a failure answers is on the left. */
const PICTURE = `
 when policy fails                                the way of a message                     policy event

                                                  client connects
 its reply, closed                          <---- |                                        smtp_server_connection_accepted
                                                  220 banner
 its reply, or 421 4.3.0 and closed         <---- EHLO                                     smtp_server_ehlo
 its reply, or 421 4.3.0 and closed         <---- MAIL FROM                                smtp_server_mail_from
 421 4.3.0 and closed                       <---- RCPT TO, may it be relayed?              get_listener_domain
 its reply, or 421 4.3.0 and closed         <---- RCPT TO                                  smtp_server_rcpt_to
 its reply, nothing kept                    <---- DATA / BDAT, the whole message           smtp_server_data
                                                  one message per recipient (or batch)
 its reply, nothing kept                    <---- Received header added                    smtp_server_message_received
 421 4.3.0, nothing kept                    <---- queue name -> scheduled queue            get_queue_config
                                                  |
 452, nothing kept (disk)                   <---- spool: on disk  ..... log: Reception
                                                  250 OK
                                                  |
                          +---------------------> scheduled queue: waits until it is due
                          |                       |
 waits, tried again  <----|---------------------- pool and source                          get_egress_pool, get_egress_source
                          |                       MX of the domain -> site
 waits, tried again  <----|---------------------- ready queue                              get_egress_path_config
                          |                       |
 put back to wait         |                       connection, MAIL, RCPT, DATA
 log: TransientFailure ---+---------------------- 4xx, or no answer                        smtp_client_rewrite_delivery_status, requeue_message
                                                  |
 removed; log: Expiration, Bounce           <---- too old, or 5xx
                                                  |
                                                  2xx: removed ..... log: Delivery
`;

export function lifecyclePage(): { name: string; title: string; text: string } {
  const rows = events.map(({ name, when, persisted, status }) => [
    `[${name}](events.md#${name})`,
    status === 'planned' ? `${when} (planned)` : when,
    persisted,
  ]);
  return {
    name: 'lifecycle',
    title: 'When policy runs',
    text: [
      'The way of a message from top to bottom, the events that it meets on the right, and what a failed handler leads to on the left. "Its reply" is that of `kumo.reject`.',
      `\`\`\`text${PICTURE}\`\`\``,
      'Each `log:` is a record. Before it is written a logger may ask its `filter_event`; then each log hook asks [should_enqueue_log_record](events.md#should_enqueue_log_record), and each disposition hook fires [log_disposition_NAME](events.md#log_disposition_name). A failure there costs the record, never the mail.',
      'Before all that, once per start: `pre_init`, then `init`.',
      markdownTable(['Event', 'When', 'What is kept of what the handler does'], rows),
    ].join('\n\n'),
  };
}
