import { DnsError } from '../../model/index.ts';
import { type RawAnswer, RecordResolver, type RecordType } from './record-resolver.ts';

/** Several resolvers in order: the first that has records answers, else the last one that said anything. */
export class AggregateResolver extends RecordResolver {
  readonly #resolvers: readonly RecordResolver[];

  constructor(resolvers: readonly RecordResolver[]) {
    super();
    this.#resolvers = resolvers;
  }

  get canBeSecure(): boolean {
    return this.#resolvers.some((resolver) => resolver.canBeSecure);
  }

  isAtHand(name: string, type: RecordType): boolean {
    return this.#resolvers.every((resolver) => resolver.isAtHand(name, type));
  }

  async query(name: string, type: RecordType): Promise<RawAnswer> {
    let empty: RawAnswer | undefined;
    let failure: DnsError | undefined;
    for (const resolver of this.#resolvers) {
      try {
        const answer = await resolver.query(name, type);
        if (answer.records.length > 0) return answer;
        empty = answer;
      } catch (error) {
        if (!(error instanceof DnsError)) throw error;
        failure = error;
      }
    }
    if (empty !== undefined) return empty;
    throw failure ?? new DnsError('servfail', `looking up ${type} of ${name}: no resolvers are configured`);
  }
}
