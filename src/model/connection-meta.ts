import { cloneJson, type Json, type JsonObject } from './json.ts';

/** What is known about one inbound connection; shared by all events of its session (policy-api.md 4.3, 7). */
export class ConnectionMeta {
  readonly values: JsonObject;

  constructor(values: JsonObject = Object.create(null) as JsonObject) {
    this.values = values;
  }

  get(name: string): Json | undefined {
    return this.values[name];
  }

  set(name: string, value: Json): void {
    this.values[name] = value;
  }

  /** A copy for a message, so that later changes of the connection do not reach it. */
  snapshot(): JsonObject {
    return cloneJson(this.values);
  }
}
