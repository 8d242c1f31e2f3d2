/**
 * The cases of fengari's own suite whose outcome our language patches change on purpose: 33 of the 589 that it
 * runs. `FILE: NAME`; a trailing ' marks the second case of that name.
 */
export const languageChanges: { reason: string; cases: string[] }[] = [
  {
    reason: 'a constructor fills its table in ascending order',
    cases: [
      'lexparse.test.js: Long SETLIST',
      'lvm.test.js: SETLIST',
      'lvm.test.js: Variable SETLIST',
      'lvm.test.js: Long SETLIST',
    ],
  },
  {
    reason: 'functions that table.sort and string.gsub call may yield',
    cases: [
      'test-suite/coroutine.test.js: [test-suite] coroutine: unyieldable JS call',
      'test-suite/errors.test.js: [test-suite] errors: tests for errors in coroutines',
    ],
  },
  {
    reason: 'table.sort ends in some order whatever its function answers',
    cases: ['test-suite/sort.test.js: [test-suite] sort: test checks for invalid order functions'],
  },
  {
    reason: 'tracebacks look for the global names of our own functions alone',
    cases: ['ldblib.test.js: debug.traceback (with a global)'],
  },
  {
    reason: 'messages name the whole path of a file',
    cases: [
      'test-suite/db.test.js: [test-suite] db: test file and string names truncation',
      "test-suite/errors.test.js: [test-suite] errors: testing size of 'source' info",
    ],
  },
  {
    reason: 'string.pack has the sizes of a 64-bit machine',
    cases: [
      'lstrlib.test.js: string.pack/unpack/packsize',
      'test-suite/calls.test.js: [test-suite] calls: testing binary chunks',
      "test-suite/tpack.test.js: [test-suite] tpack: minimum behavior for integer formats''",
      "test-suite/tpack.test.js: [test-suite] tpack: minimum behavior for integer formats'''",
      'test-suite/tpack.test.js: [test-suite] tpack: overflow in packing',
    ],
  },
  {
    reason: 'integers have 53 bits and do not wrap; shifts are those of 64 bits',
    cases: [
      'test-suite/bitwise.test.js: [test-suite] bitwise: testing bitwise operations',
      'test-suite/bitwise.test.js: [test-suite] bitwise: out-of-range numbers',
      'test-suite/bitwise.test.js: [test-suite] bitwise: for this test, use at most 24 bits (mantissa of a single float)',
      'test-suite/locals.test.js: [test-suite] locals: old test for limits for special instructions (now just a generic test)',
      'test-suite/math.test.js: [test-suite] math: int bits',
      'test-suite/math.test.js: [test-suite] math: order between floats and integers',
      'test-suite/math.test.js: [test-suite] math: testing order (floats can represent all integers)',
      'test-suite/math.test.js: [test-suite] math: interval too large',
      'test-suite/math.test.js: [test-suite] math: integer arithmetic',
      'test-suite/math.test.js: [test-suite] math: testing floor division and conversions',
      'test-suite/math.test.js: [test-suite] math: testing floor & ceil',
      'test-suite/math.test.js: [test-suite] math: comparison between floats and integers (border cases)',
      'test-suite/math.test.js: [test-suite] math: testing overflow errors when converting from float to integer (runtime)',
      "test-suite/math.test.js: [test-suite] math: 'tonumber' with strings",
      'test-suite/math.test.js: [test-suite] math: testing unsigned comparisons',
      'test-suite/math.test.js: [test-suite] math: testing mod operator',
      'test-suite/sort.test.js: [test-suite] sort: testing long move',
      'test-suite/strings.test.js: [test-suite] strings: large numbers for format',
    ],
  },
];
