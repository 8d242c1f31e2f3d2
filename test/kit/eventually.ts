/**
 * Looks again and again until `look` gives something else than undefined. For what another process does and
 * nothing announces; everything else should be awaited. Rejects with `what` after `patience` ms.
 */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
  {
    patience = 120_000,
    what = () => 'it did not come to it',
  }: { patience?: number; what?: () => string } = {},
): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(what());
    await new Promise((done) => setTimeout(done, 20));
  }
}
