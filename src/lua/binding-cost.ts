/**
 * Nanoseconds per byte of text of the bound functions that take long, measured on 200 KB of unkind text with a margin of
 * two, since a call of JavaScript cannot be interrupted. Those not named here take less than 10 and have no limit.
 */
const nanosecondsPerByte: Readonly<Record<string, number>> = {
  'kumo.serde.json_parse': 250,
  'kumo.serde.json_load': 250,
  'kumo.serde.toml_parse': 700,
  'kumo.serde.yaml_parse': 2000,
  'kumo.regex.compile': 4000,
  'kumo.string.split': 200,
  'kumo.string.rsplit': 300,
  'kumo.string.splitn': 60,
  'kumo.string.rsplitn': 60,
  'kumo.string.split_terminator': 200,
  'kumo.string.split_whitespace': 300,
  'kumo.string.split_ascii_whitespace': 300,
  'kumo.string.replace': 60,
  'kumo.string.replacen': 60,
  'kumo.string.normalize_smtp_response': 400,
  'kumo.string.eval_template': 200,
  'kumo.encode.base32_encode': 120,
  'kumo.encode.base32_decode': 100,
  'kumo.encode.base32_nopad_encode': 120,
  'kumo.encode.base32_nopad_decode': 100,
  'kumo.encode.base32hex_encode': 120,
  'kumo.encode.base32hex_decode': 100,
  'kumo.encode.base32hex_nopad_encode': 120,
  'kumo.encode.base32hex_nopad_decode': 100,
  'kumo.encode.base64_encode': 20,
  'kumo.encode.base64url_encode': 20,
  'kumo.encode.base64_decode': 70,
  'kumo.encode.base64url_decode': 70,
};

/** Engines whose work depends on the pattern too; a compiled pattern may cost hundreds of times more than a simple one. */
const methodsPerByte: Readonly<Record<string, number>> = { regex: 60, regex_set_map: 60 };

/** Nanoseconds per byte of a bound function, 0 where they do not matter. `name` is `MODULE.NAME` or `CLASS:NAME`. */
export function costOf(name: string): number {
  return nanosecondsPerByte[name] ?? methodsPerByte[name.slice(0, name.indexOf(':'))] ?? 0;
}
