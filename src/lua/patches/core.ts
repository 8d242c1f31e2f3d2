import { type Patch, patchGroup } from './patch.ts';

/** Bugs of fengari 0.1.5 and its speed. None changes what the language means. */
export const corePatches: readonly Patch[] = [
  ...patchGroup(
    'string hash',
    'Unpadded hex makes "\\x01\\x12" and "\\x11\\x02" the same table key, and "\\n" < "0" false. The "|" stays: ' +
      'without it the constant "#1" collides with the integer 1 in the compiler.',
    [
      [
        'lstring',
        `    let len = str.length;
    let s = "|";
    for (let i=0; i<len; i++)
        s += str[i].toString(16);
    return s;`,
        `    let len = str.length;
    if (len > 20) return "|" + Buffer.from(str.buffer, str.byteOffset, len).latin1Slice();
    let s = "|";
    for (let i=0; i<len; i++)
        s += String.fromCharCode(str[i]);
    return s;`,
      ],
    ],
  ),
  ...patchGroup(
    'hook after pcall',
    'Operator precedence loses allowhook, so that hooks never fire again after one caught error.',
    [
      [
        'lapi',
        'ci.callstatus &= ~lstate.CIST_OAH | L.allowhook;',
        'ci.callstatus = (ci.callstatus & ~lstate.CIST_OAH) | L.allowhook;',
      ],
    ],
  ),
  ...patchGroup('keep arrays fast', 'delete turns the stack into a dictionary: the largest single cost.', [
    ['lapi', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;', 16],
    ['lapi', 'delete L.stack[L.top];', 'L.stack[L.top] = void 0;'],
    ['lapi', 'delete from.stack[from.top + i];', 'from.stack[from.top + i] = void 0;'],
    ['ldo', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;', 3],
    ['ldo', 'delete L.stack[i];', 'L.stack[i] = void 0;', 2],
    ['lvm', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;', 3],
    ['ldebug', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;'],
    ['lparser', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;'],
    ['ltm', 'delete L.stack[--L.top];', 'L.stack[--L.top] = void 0;'],
  ]),
  ...patchGroup('typed array copies', 'Uint8Array.from goes through the iterator; the constructor copies.', [
    [
      'defs',
      'luastring_from = Uint8Array.from.bind(Uint8Array);',
      'luastring_from = (a) => new Uint8Array(a);',
    ],
    ['lstring', 'return luaS_bless(L, luastring_from(str));', 'return luaS_bless(L, new Uint8Array(str));'],
  ]),
  ...patchGroup(
    'string memo',
    'The JavaScript text of a Lua string is kept beside it, so constants convert once.',
    [
      [
        'lstring',
        '        this.realstring = str;',
        '        this.realstring = str;\n        this.js = void 0;',
      ],
    ],
  ),
  ...patchGroup('type tests', 'Two calls for each test of a tag; the tag itself is one load.', [
    ['lobject', 'return this.checktype(LUA_TNUMBER);', 'return (this.type & 0x0F) === LUA_TNUMBER;'],
    ['lobject', 'return this.checktag(LUA_TNUMFLT);', 'return this.type === LUA_TNUMFLT;'],
    ['lobject', 'return this.checktag(LUA_TNUMINT);', 'return this.type === LUA_TNUMINT;'],
    ['lobject', 'return this.checktag(LUA_TNIL);', 'return this.type === LUA_TNIL;'],
    ['lobject', 'return this.checktype(LUA_TSTRING);', 'return (this.type & 0x0F) === LUA_TSTRING;'],
    ['lobject', 'return this.checktag(LUA_TTABLE);', 'return this.type === LUA_TTABLE;'],
    ['lobject', 'return this.checktype(LUA_TFUNCTION);', 'return (this.type & 0x0F) === LUA_TFUNCTION;'],
  ]),
  ...patchGroup(
    'string conversion',
    'Byte by byte conversion is 5 to 70 times slower than the codec of the engine.',
    [
      [
        'defs',
        '    let len = str.length;\n    let outU8Array = Array(len);',
        `    if (str.length > 24 && !/[\\ud800-\\udfff]/.test(str)) {
        let encoded = new Uint8Array(Buffer.from(str, "utf8"));
        if (cache) to_luastring_cache[str] = encoded;
        return encoded;
    }

    let len = str.length;
    let outU8Array = Array(len);`,
      ],
    ],
  ),
  ...patchGroup('buffer size', 'luaL_addchar grows from nothing, byte by byte at first.', [
    [
      'lauxlib',
      'let newsize = Math.max(B.b.length * 2, newend);',
      'let newsize = Math.max(B.b.length * 2, newend, 48);',
    ],
    [
      'lauxlib',
      `    luaL_prepbuffsize(B, 1);
    B.b[B.n++] = c;`,
      `    if (B.n >= B.b.length) luaL_prepbuffsize(B, 1);
    B.b[B.n++] = c;`,
    ],
  ]),
  ...patchGroup('dead keys', 'Every table made a second Map, which only a removed key needs.', [
    ['ltable', 'this.dead_strong = new Map();', 'this.dead_strong = void 0;'],
    ['ltable', 't.dead_strong.clear();', 'if (t.dead_strong !== void 0) t.dead_strong.clear();'],
    [
      'ltable',
      't.dead_strong.set(hash, e);',
      '(t.dead_strong === void 0 ? (t.dead_strong = new Map()) : t.dead_strong).set(hash, e);',
    ],
    ['ltable', '|| table.dead_strong.get(hash);', '|| (table.dead_strong && table.dead_strong.get(hash));'],
  ]),
  ...patchGroup('plain search', 'string.find without specials goes through the engine.', [
    [
      'lstrlib',
      `    for (; (i = arr.indexOf(subarr[0], i)) !== -1; i++) {
        if (luastring_eq(arr.subarray(i, i+sl), subarr))
            return i;
    }

    return -1;`,
      `    return Buffer.from(arr.buffer, arr.byteOffset, arr.length).indexOf(subarr, i);`,
    ],
  ]),
];
