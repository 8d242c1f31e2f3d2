import {
  type Json,
  type JsonObject,
  jsonWithoutSecrets,
  type TracePayload,
  type TraceTap,
} from '../../src/model/index.ts';

/** Keeps what sessions tell, as those who watch get it. */
export class KeptTrace implements TraceTap {
  isWatched = true;
  readonly metas: JsonObject[] = [];
  readonly payloads: TracePayload[] = [];

  emit(meta: JsonObject, payload: TracePayload | (() => TracePayload), secrets: readonly string[]): void {
    const made = typeof payload === 'function' ? payload() : payload;
    this.metas.push(jsonWithoutSecrets(meta, secrets));
    this.payloads.push(jsonWithoutSecrets(made as Json, secrets) as TracePayload);
  }

  /** The payloads, those of talk as one line each. */
  get told(): string[] {
    return this.payloads.map((payload) => {
      if (typeof payload === 'string') return payload;
      if ('Read' in payload) return `-> ${payload.Read}`;
      if ('Write' in payload) return `<- ${payload.Write}`;
      if ('Callback' in payload) {
        const { name, result, error } = payload.Callback;
        return `${name}: ${error ?? JSON.stringify(result)}`;
      }
      return JSON.stringify(payload);
    });
  }

  get text(): string {
    return JSON.stringify([this.metas, this.payloads]);
  }
}
