import type { MaybePromise, PolicyConnection, PolicyEvents, PolicyResult } from '../model/index.ts';
import type { PolicyEngine } from './policy-engine.ts';

/** Generations that may still be finishing events beside the one that serves (design section 5). */
const MOST_OLD = 3;

interface OldGeneration {
  readonly number: number;
  readonly engine: PolicyEngine;
}

/**
 * The generations of the policy in one thread. prepared → serving → old → gone. Each event goes to the generation
 * whose number the whole process shows at that moment, and finishes there whatever is switched to meanwhile. A
 * generation is old from the first event (or `settle`) after the switch on, and gone when its last event ended.
 */
export class PolicyGenerations implements PolicyEvents {
  readonly #shown: () => number;
  readonly #prepared = new Map<number, PolicyEngine>();
  readonly #old = new Set<OldGeneration>();
  #number: number;
  #engine: PolicyEngine;
  /** Its handlers may wait as long as they like. */
  #pinned: PolicyEngine | undefined;

  /** `shown` reads the number of the generation that serves; `engine` is the one it shows now. */
  constructor(engine: PolicyEngine, shown: () => number) {
    this.#engine = engine;
    this.#shown = shown;
    this.#number = shown();
  }

  /** The engine that serves. */
  get serving(): PolicyEngine {
    return this.#current();
  }

  /** Lua states of all generations, and those that wait for an event. */
  get states(): { all: number; spare: number } {
    const engines = [this.#engine, ...this.#prepared.values(), ...[...this.#old].map(({ engine }) => engine)];
    return {
      all: engines.reduce((sum, { states }) => sum + states, 0),
      spare: engines.reduce((sum, { spareStates }) => sum + spareStates, 0),
    };
  }

  /** Old generations that still finish events, with how many. */
  get old(): readonly { generation: number; running: number }[] {
    return Array.from(this.#old, ({ number, engine }) => ({ generation: number, running: engine.running }));
  }

  /** Whether one more switch keeps within the number of old generations. */
  get hasRoom(): boolean {
    return this.#ending.length < MOST_OLD;
  }

  /** The serving generation runs background tasks: it may stay for as long as they go on. */
  pin(): void {
    this.#pinned = this.#current();
  }

  /** Old generations that are expected to end, oldest first. */
  get #ending(): OldGeneration[] {
    return [...this.#old].filter(({ engine }) => engine !== this.#pinned);
  }

  /** Makes an engine ready to serve under that number. */
  prepare(generation: number, engine: PolicyEngine): void {
    this.#prepared.set(generation, engine);
  }

  /** A prepared generation that will not serve after all. */
  drop(generation: number): void {
    this.#prepared.get(generation)?.close();
    this.#prepared.delete(generation);
  }

  /** Notices a switch without waiting for the next event. */
  settle(): void {
    this.#current();
  }

  /** Ends the handlers that wait in the oldest generation, so that there is room for one more. */
  abandonOldest(): void {
    const [oldest] = this.#ending;
    if (oldest === undefined) return;
    this.#old.delete(oldest);
    oldest.engine.abandon(`policy generation ${oldest.number} has ended`);
  }

  handles(event: string): boolean {
    return this.#current().handles(event);
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    return this.#current().fire(event, args);
  }

  connection(event: string): PolicyConnection {
    return this.#current().connection(event);
  }

  /** All generations finish what they have in hand; events that wait for a state fail. */
  close(): void {
    this.#engine.close();
    for (const { engine } of this.#old) engine.close();
    for (const engine of this.#prepared.values()) engine.close();
  }

  #current(): PolicyEngine {
    const shown = this.#shown();
    return shown === this.#number ? this.#engine : this.#switch(shown);
  }

  #switch(shown: number): PolicyEngine {
    const next = this.#prepared.get(shown);
    // Every thread has prepared a number before it is shown; one that has not goes on with what it has.
    if (next === undefined) return this.#engine;
    this.#prepared.delete(shown);
    const left = { number: this.#number, engine: this.#engine };
    this.#number = shown;
    this.#engine = next;
    this.#old.add(left);
    left.engine.retire(() => this.#old.delete(left));
    // Errors are reported by the engine.
    void next.fire('config_epoch_changed', []);
    return next;
  }
}
