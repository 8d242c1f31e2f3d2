/** A table of Markdown; cells are text in which only `|` needs care. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A value as a policy would write it in Lua. */
export function luaLiteral(value: unknown): string {
  if (value === undefined || value === null) return 'nil';
  if (typeof value === 'string') return `'${value.replace(/[\\']/g, '\\$&')}'`;
  if (Array.isArray(value)) return `{${value.map(luaLiteral).join(', ')}}`;
  if (typeof value === 'object') {
    const fields = Object.entries(value).map(([name, inner]) => `${name} = ${luaLiteral(inner)}`);
    return `{${fields.join(', ')}}`;
  }
  return String(value);
}
