import type { KeptValue } from './kept-value.ts';

interface Label {
  readonly below: Map<string, Label>;
  value: KeptValue;
}

/**
 * Values by domain name (policy-api.md 5.6). Labels are followed from the right; where the next one is missing, a
 * `*` at that level stands for all that remains. A name that is only passed through hides the `*` beside it.
 */
export class DomainMap {
  readonly keepable = true;
  readonly #root: Label = { below: new Map(), value: undefined };

  get(name: string): KeptValue {
    let at = this.#root;
    const labels = name.split('.');
    for (let i = labels.length - 1; i >= 0; i--) {
      const next = at.below.get(labels[i]!);
      if (next === undefined) return at.below.get('*')?.value;
      at = next;
    }
    return at.value;
  }

  /** nil takes the value away. */
  set(name: string, value: KeptValue): void {
    let at = this.#root;
    for (const label of name.split('.').reverse()) {
      let next = at.below.get(label);
      if (next === undefined) {
        next = { below: new Map(), value: undefined };
        at.below.set(label, next);
      }
      at = next;
    }
    at.value = value ?? undefined;
  }

  entries(): Map<string, KeptValue> {
    const found = new Map<string, KeptValue>();
    const walk = (at: Label, name: string) => {
      if (at.value !== undefined) found.set(name, at.value);
      for (const [label, below] of at.below) walk(below, name === '' ? label : `${label}.${name}`);
    };
    walk(this.#root, '');
    return found;
  }
}
