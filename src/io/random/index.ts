/** A random number in [0, 1). Not for secrets. */
export const random = (): number => Math.random();
