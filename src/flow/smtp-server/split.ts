import { EnvelopeAddress } from '../../protocol/smtp/index.ts';

/** Thrown for what smtp_server_split_transaction cannot return. */
export class SplitError extends Error {}

/**
 * The batches that `smtp_server_split_transaction` returned: a list of lists of addresses or of their texts; empty
 * lists count for nothing. A table keyed by anything else is taken by its values. Throws SplitError.
 */
export function parseBatches(value: unknown): EnvelopeAddress[][] {
  return entriesOf(value, 'a list of lists of addresses')
    .map((batch) => entriesOf(batch, 'a list of addresses in each entry').map(addressOf))
    .filter((batch) => batch.length > 0);
}

function entriesOf(value: unknown, wanted: string): unknown[] {
  if (Array.isArray(value)) return value;
  const isTable = typeof value === 'object' && value !== null && !(value instanceof EnvelopeAddress);
  if (isTable && !ArrayBuffer.isView(value)) return Object.values(value);
  throw new SplitError(`smtp_server_split_transaction must return ${wanted}`);
}

function addressOf(value: unknown): EnvelopeAddress {
  if (value instanceof EnvelopeAddress) return value;
  const parsed = typeof value === 'string' ? EnvelopeAddress.parse(value) : undefined;
  if (parsed !== undefined && parsed.localPart !== '') return parsed;
  throw new SplitError(
    `smtp_server_split_transaction returned ${JSON.stringify(value) ?? 'nothing'} as an address`,
  );
}
