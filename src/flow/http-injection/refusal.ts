/** A request of which nothing is taken. The text says why, and never quotes what stands in the request's texts. */
export class InjectionRefused extends Error {
  /** Of the HTTP answer. */
  readonly statusCode: number;

  constructor(statusCode: number, why: string) {
    super(why);
    this.statusCode = statusCode;
  }
}

/** Runs `work`; what fails is answered 422. */
export function orUnfit<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new InjectionRefused(422, `${what}${(error as Error).message}`);
  }
}
