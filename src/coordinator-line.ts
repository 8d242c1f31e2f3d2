import type { Answered, CoordinatorRequests, FromShard, Question } from './shard-messages.ts';

/** What a shard asks of the coordinator, until it is answered. The coordinator always answers, or the process ends. */
export class CoordinatorLine {
  readonly #post: (message: FromShard) => void;
  readonly #open = new Map<number, (answer: Answered) => void>();
  #asked = 0;

  constructor(post: (message: FromShard) => void) {
    this.#post = post;
  }

  /** Rejects with what the coordinator says went wrong. */
  ask<Kind extends keyof CoordinatorRequests>(
    kind: Kind,
    asked: CoordinatorRequests[Kind]['asked'],
  ): Promise<CoordinatorRequests[Kind]['answer']> {
    const number = this.#asked++;
    return new Promise((resolve, reject) => {
      this.#open.set(number, (answer) => {
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.value as CoordinatorRequests[Kind]['answer']);
      });
      this.#post({ kind: 'question', number, question: { kind, asked } as Question<CoordinatorRequests> });
    });
  }

  answered(number: number, answer: Answered): void {
    this.#open.get(number)?.(answer);
    this.#open.delete(number);
  }
}
