import { cloneJson, type Json, type JsonObject } from './json.ts';

/** `context` tells how it was proved, such as SmtpAuthPlainAuthentication. */
export interface Identity {
  identity: string;
  context: string;
}

export interface AuthInfo {
  identities: Identity[];
  groups: string[];
  peer_address?: string;
}

/** What is known about one inbound connection; shared by all events of its session (policy-api.md 4.3, 7). */
export class ConnectionMeta {
  readonly values: JsonObject;
  readonly identities: Identity[] = [];
  readonly groups: string[] = [];

  constructor(values: JsonObject = Object.create(null) as JsonObject) {
    this.values = values;
  }

  get(name: string): Json | undefined {
    return this.values[name];
  }

  set(name: string, value: Json): void {
    this.values[name] = value;
  }

  /** Who the peer has proved to be (policy-api.md 4.8); a copy. */
  get authInfo(): AuthInfo {
    const from = this.values.received_from;
    const address = typeof from === 'string' ? /^\[?(.*?)\]?(?::\d+)?$/.exec(from)?.[1] : undefined;
    return {
      identities: this.identities.map((entry) => ({ ...entry })),
      groups: [...this.groups],
      ...(address !== undefined && { peer_address: address }),
    };
  }

  /** A copy for a message, so that later changes of the connection do not reach it. */
  snapshot(): JsonObject {
    return cloneJson(this.values);
  }
}
