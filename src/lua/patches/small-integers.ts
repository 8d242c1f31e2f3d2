import { type Patch, patchGroup } from './patch.ts';

/**
 * After all others, which edit some of the same lines. What is a number of another kind, such as the value of a constant
 * while it is compiled, stays as it is.
 */
export const smallIntegerPatches: readonly Patch[] = patchGroup(
  'small integers',
  'A field that begins as NaN is a boxed double for good: 16 bytes more, and a conversion at every use of the stack.',
  [
    ['lstate', ' = NaN;', ' = 0;', 9],
    ['llex', ' = NaN;', ' = 0;', 6],
    ['lobject', ' = NaN;', ' = 0;', 2],
    ['lparser', ' = NaN;', ' = 0;', 27],
    ['lparser', 'info: NaN,', 'info: 0,'],
    ['lparser', 'idx: NaN,', 'idx: 0,'],
    ['lparser', 't: NaN,', 't: 0,'],
    ['lparser', 'vt: NaN ', 'vt: 0 '],
    ['lstrlib', ' = NaN;', ' = 0;', 5],
  ],
);
