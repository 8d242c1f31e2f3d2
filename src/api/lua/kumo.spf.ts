import { checkSpf, type SpfQuestion } from '../../io/mail-auth/index.ts';
import {
  type CallContext,
  defineFunction,
  defineModule,
  instanceOf,
  optional,
  string,
} from '../../model/define/index.ts';
import { ConnectionMeta, type Json, Message } from '../../model/index.ts';
import { parseHostPort } from '../../protocol/ip/index.ts';
import { resolverFor } from './named-resolver.ts';

const returns = '{disposition: string, result: table}';

/** The client's address; mail that did not come over SMTP has none. */
function clientIp(receivedFrom: Json | undefined): string {
  const ip = typeof receivedFrom === 'string' ? parseHostPort(receivedFrom)?.address : undefined;
  if (ip === undefined) throw new Error(`received_from is not IP:PORT, so the client is not known`);
  return ip;
}

async function found(question: SpfQuestion, resolver: string | undefined, context: CallContext) {
  const { result } = await checkSpf(question, resolverFor(resolver, context), context.host.clock);
  return { disposition: result.result, result };
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The sender's local part at the domain that is asked about; mailauth takes the domain from there. */
function senderAt(domain: string, sender: string): string {
  const at = sender.lastIndexOf('@');
  return `${at > 0 ? sender.slice(0, at) : 'postmaster'}@${domain}`;
}

export const spfModule = defineModule(
  'kumo.spf',
  { doc: 'SPF (RFC 7208): whether the domain of the sender lets the client send for it.' },
  {
    check_host: defineFunction({
      params: {
        domain: string(),
        conn_meta: instanceOf(ConnectionMeta, 'connection_meta'),
        sender: optional(string()),
        resolver: optional(string()),
      },
      returns,
      doc: 'Checks a domain for the client of a connection: that of MAIL FROM with the sender, that of EHLO without. disposition is pass, fail, softfail, neutral, none, temperror or permerror. Raises when received_from is not IP:PORT. resolver: a name of kumo.dns.define_resolver.',
      call: ({ domain, conn_meta, sender, resolver }, context) => {
        const ip = clientIp(conn_meta.get('received_from'));
        const question =
          sender === undefined
            ? { ip, helo: domain, sender: '' }
            : { ip, helo: text(conn_meta.get('ehlo_domain')), sender: senderAt(domain, sender) };
        return found(question, resolver, context);
      },
    }),
    check_msg: defineFunction({
      params: { msg: instanceOf(Message, 'message'), resolver: optional(string()) },
      returns,
      doc: 'The same for a message: its sender, or the name of EHLO when that is empty. Raises for mail that did not come over SMTP. resolver: a name of kumo.dns.define_resolver.',
      call: ({ msg, resolver }, context) =>
        found(
          {
            ip: clientIp(msg.meta.received_from),
            helo: text(msg.meta.ehlo_domain),
            sender: msg.sender.toString(),
          },
          resolver,
          context,
        ),
    }),
  },
);
