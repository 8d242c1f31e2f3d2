import { cloneJson, type JsonObject, Message } from '../../model/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { Content } from './content.ts';
import { PartsContent } from './parts-content.ts';
import { InjectionRefused } from './refusal.ts';
import type { InjectedRecipient, InjectionRequest } from './request.ts';
import { substitutionsOf } from './request.ts';
import { TextContent } from './text-content.ts';
import { receivedHeader, type TraceHeaders, traceHeadersOf } from './trace-headers.ts';
import { mailboxText, variablesOf } from './variables.ts';

/** Who a request came from, as messages and policy are told. */
export interface Origin {
  /** IP address without port. */
  peer: string;
  /** Address of the listener, without port. */
  via: string;
  hostname: string;
  /** The argument of http_message_generated. */
  auth: AuthInfo;
}

export interface AuthInfo extends JsonObject {
  peer_address: string;
  identities: JsonObject[];
  groups: string[];
}

export interface GeneratorParts {
  newMessageId: () => string;
  newBoundary: () => string;
}

/** Makes the messages of one request. */
export class Generator {
  readonly request: InjectionRequest;
  readonly sender: EnvelopeAddress;
  readonly trace: TraceHeaders;
  readonly #parts: GeneratorParts;
  readonly #content: Content;
  readonly #substitutions: JsonObject;

  /** Throws InjectionRefused for what is wrong with the request as a whole. */
  constructor(request: InjectionRequest, parts: GeneratorParts) {
    this.request = request;
    this.#parts = parts;
    const { content, template_dialect: dialect = 'Jinja' } = request;
    const sender = EnvelopeAddress.parse(request.envelope_sender);
    // Not 422: clients know it so (operations.md 4.1).
    if (sender === undefined) throw new InjectionRefused(500, 'envelope_sender: it is no mail address');
    this.sender = sender;
    this.trace = traceHeadersOf(request);
    this.#content =
      typeof content === 'string'
        ? new TextContent(content, dialect)
        : new PartsContent(content, dialect, parts.newBoundary);
    this.#substitutions = substitutionsOf(request.substitutions);
  }

  /** The message of a recipient. `now` in ms since the epoch. Throws an Error that says why there is none. */
  messageFor(recipient: InjectedRecipient, origin: Origin, now: number): Message {
    const address = EnvelopeAddress.parse(recipient.email);
    if (address === undefined || address.email === '') throw new Error('it is no mail address');
    const body = this.#content.build(
      () => variablesOf(this.#substitutions, recipient, address),
      () => mailboxText(address.email, recipient.name),
      now,
    );
    const id = this.#parts.newMessageId();
    return new Message({
      id,
      sender: this.sender,
      recipients: [address],
      meta: metaOf(origin, recipient),
      body: this.trace.received ? Buffer.concat([this.#received(id, address, origin, now), body]) : body,
    });
  }

  #received(id: string, { email }: EnvelopeAddress, { peer, hostname }: Origin, now: number): Buffer {
    const senderDomain = this.sender.domain;
    return Buffer.from(receivedHeader({ senderDomain, peer, hostname, id, recipient: email, now }));
  }
}

function metaOf(origin: Origin, { metadata }: InjectedRecipient): JsonObject {
  const meta = originMeta(origin);
  if (metadata === undefined || Object.keys(metadata).length === 0) return meta;
  return { ...meta, extra: cloneJson(metadata as JsonObject) };
}

/** What every message of the request says of where it came from (operations.md 4.5). */
export function originMeta({ peer, via, hostname, auth }: Origin): JsonObject {
  return {
    http_auth: identityOf(auth),
    reception_protocol: 'HTTP',
    received_from: peer,
    received_via: via,
    hostname,
  };
}

/** The user of basic authentication, else the first identity, else the address. */
function identityOf({ identities, peer_address }: AuthInfo): string {
  const basic = identities.find(({ context }) => context === 'HttpBasicAuth') ?? identities[0];
  return typeof basic?.identity === 'string' ? basic.identity : peer_address;
}
