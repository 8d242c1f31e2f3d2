/**
 * One name for a list of hosts, in their order (delivery.md 3 point 5): domains with the same hosts share a site.
 * Labels are aligned from the right; a position with several values prints `(a|b)`, one that some hosts do not
 * have gets a `?`. A port is glued to the top-level label. No hosts, or only the null MX, give ''.
 */
export function siteName(hosts: readonly string[], port?: number): string {
  const glued = port === undefined ? '' : `:${port}`;
  const names = hosts.filter((host) => host !== '').map((host) => `${host}${glued}`.split('.').reverse());
  const depth = names.reduce((most, labels) => Math.max(most, labels.length), 0);
  const positions: string[] = [];
  for (let position = 0; position < depth; position++) positions.push(positionName(names, position));
  return positions.reverse().join('.');
}

function positionName(names: readonly string[][], position: number): string {
  const values = new Set<string>();
  let missing = false;
  for (const labels of names) {
    const label = labels[position];
    if (label === undefined) missing = true;
    else values.add(label);
  }
  const joined = [...values].join('|');
  return `${values.size > 1 ? `(${joined})` : joined}${missing ? '?' : ''}`;
}
