import { readSecret } from '../../io/secrets/index.ts';
import type { CallContext, KeySource } from '../../model/define/index.ts';

/** The bytes of a key source; an event is fired in a Lua state of its own. Rejects with an Error that says why not. */
export async function loadKey(source: KeySource, context: CallContext): Promise<Uint8Array> {
  if (source.from !== 'event') {
    const secret = await readSecret(source);
    if (source.from === 'file') context.noteFile(source.path);
    return secret;
  }
  const { event, args } = source;
  const result = await context.fire(event, args);
  switch (result.kind) {
    case 'absent':
      throw new Error(`Event ${event} has not been registered`);
    case 'error':
      throw new Error(`event ${event}: ${result.message}`);
    case 'reject':
      throw new Error(`event ${event}: ${result.code} ${result.text}`);
    case 'values': {
      const [value] = result.values;
      if (typeof value === 'string') return Buffer.from(value);
      if (value instanceof Uint8Array) return value;
      throw new Error(`event ${event} must return a string`);
    }
  }
}
