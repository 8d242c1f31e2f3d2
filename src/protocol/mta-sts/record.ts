/** RFC 8461 §3.1: extension names and values, which are allowed and mean nothing yet. */
const FIELD = /^([a-z0-9][a-z0-9_.-]{0,31})=([\x21-\x3a\x3c\x3e-\x7e]+)$/i;
const ID = /^[a-z0-9]{1,32}$/i;

/**
 * The id that the TXT records at `_mta-sts.DOMAIN` give to the policy of the domain (RFC 8461 §3.1). Undefined:
 * there is no policy, because no record or more than one is about MTA-STS, or the one cannot be read.
 */
export function policyId(texts: readonly string[]): string | undefined {
  const records = texts.filter((text) => /^v=STSv1[ \t]*;/.test(text));
  if (records.length !== 1) return undefined;
  const fields = records[0]!.split(';').slice(1);
  let id: string | undefined;
  for (const [index, field] of fields.entries()) {
    const text = field.replace(/^[ \t]+|[ \t]+$/g, '');
    // The last delimiter may end the record.
    if (text === '' && index === fields.length - 1) break;
    const [, name, value] = FIELD.exec(text) ?? [];
    if (name === undefined || value === undefined) return undefined;
    if (name === 'id' && !ID.test(value)) return undefined;
    // The first of several counts.
    if (name === 'id') id ??= value;
  }
  return id;
}
