import { type Patch, patchGroup } from './patch.ts';

const strict = '"use strict";\n';
const useMeter = `${strict}const { meter, charge, OverBudget } = require("moonpost");\n`;
const count = 'if (--meter.left < 0) meter.look(';

/** Counters in the VM and its libraries (src/lua/meter.ts), and the exception that Lua cannot catch. */
export const budgetPatches: readonly Patch[] = [
  ...patchGroup(
    'count instructions',
    'A count hook costs 6 to 8 % and is off inside libraries; a counter in the VM costs 1 to 2 %.',
    [
      ['lvm', strict, useMeter],
      [
        'lvm',
        '        if (L.hookmask & (LUA_MASKLINE | LUA_MASKCOUNT)) {',
        `        if (--meter.left < 0 && meter.look(L, true)) {
            /* suspends before this instruction; lua_resume just goes on with it */
            ci.l_savedpc--;
            L.status = LUA_YIELD;
            ci.extra = ci.funcOff;
            ldo.luaD_throw(L, LUA_YIELD);
        }

        if (L.hookmask & (LUA_MASKLINE | LUA_MASKCOUNT)) {`,
      ],
      ['lvm', 'const {\n    LUA_MASKLINE,', 'const {\n    thread_status: { LUA_YIELD },\n    LUA_MASKLINE,'],
      [
        'lstate',
        '        this.nny = 1;\n',
        '        this.nny = 1;\n        this.sliceable = false;  /* whoever resumed it can suspend too */\n',
      ],
      ['ldo', strict, useMeter],
      [
        'ldo',
        '    } catch (e) {\n        if (lj.status === LUA_OK) {',
        `    } catch (e) {
        if (e instanceof OverBudget) {
            L.errorJmp = lj.previous;
            throw e;
        }
        if (lj.status === LUA_OK) {`,
      ],
      [
        'ldo',
        '                } catch (e2) {\n',
        `                } catch (e2) {
                    if (e2 instanceof OverBudget) {
                        L.errorJmp = lj.previous;
                        throw e2;
                    }
`,
      ],
    ],
  ),
  ...patchGroup(
    'long comparison',
    'Two long strings were compared by the texts of their hashes, made for it.',
    [
      [
        'lvm',
        'const l_strcmp = function(ls, rs) {\n',
        `const l_strcmp = function(ls, rs) {
    if (ls.realstring.length > 64 && rs.realstring.length > 64) {
        meter.left -= Math.min(ls.realstring.length, rs.realstring.length) >> 6;
        return Buffer.compare(ls.realstring, rs.realstring);
    }
`,
      ],
    ],
  ),
  ...patchGroup('count depth', 'The limit on stack slots alone let a recursion use tens of megabytes.', [
    ['lstate', '        this.nresults = NaN;\n', '        this.nresults = NaN;\n        this.depth = 0;\n'],
    ['lstate', '    ci.previous = L.ci;\n', '    ci.previous = L.ci;\n    ci.depth = L.ci.depth + 1;\n'],
    [
      'ldo',
      '            let fsize = p.maxstacksize;\n',
      `            let fsize = p.maxstacksize;
            let over = L.ci.depth - meter.depth;
            /* one error; a handler of that error has 100 levels of its own */
            if (over >= 100)
                luaD_throw(L, LUA_ERRERR);
            else if (over === 0 && !L.overflows) {
                L.overflows = true;
                ldebug.luaG_runerror(L, to_luastring("stack overflow", true));
            }
`,
    ],
    ['ldo', '    let inuse = stackinuse(L);\n', '    let inuse = stackinuse(L);\n    L.overflows = false;\n'],
    ['lstate', '        this.errfunc = 0;\n', '        this.errfunc = 0;\n        this.overflows = false;\n'],
    [
      'ldo',
      '    L.stack.length = newsize;\n',
      `    if (newsize > L.stack.length && (meter.memory -= (newsize - L.stack.length) * 100) < 0) meter.left = -1;
    L.stack.length = newsize;
`,
    ],
  ]),
  ...patchGroup(
    'tracebacks',
    'Counting 20,000 levels by asking for each took 10 ms, the search for each name 2 ms.',
    [
      [
        'lauxlib',
        `    let ar = new lua_Debug();
    let li = 1;
    let le = 1;
    /* find an upper bound */
    while (lua_getstack(L, le, ar)) { li = le; le *= 2; }
    /* do a binary search */
    while (li < le) {
        let m = Math.floor((li + le)/2);
        if (lua_getstack(L, m, ar)) li = m + 1;
        else le = m;
    }
    return le - 1;
`,
        `    let levels = 0;
    for (let ci = L.ci; ci !== L.base_ci; ci = ci.previous) levels++;
    return levels - 1;
`,
      ],
      [
        'lauxlib',
        '    if (pushglobalfuncname(L, ar)) {  /* try first a global name */',
        "    if (ar.what[0] === 74 /* 'J' */ && pushglobalfuncname(L, ar)) {  /* ours: try first a global name */",
      ],
    ],
  ),
  ...patchGroup('failing error handlers', 'Unwinding 200 handlers that failed in each other takes 10 ms.', [
    [
      'ldebug',
      '    if (L.errfunc !== 0) {  /* is there an error handling function? */\n',
      `    if (L.errfunc !== 0) {  /* is there an error handling function? */
        if (L.errorJmp && ++L.errorJmp.handlers > 10) ldo.luaD_throw(L, LUA_ERRERR);
`,
    ],
    ['ldebug', '        LUA_ERRRUN,\n', '        LUA_ERRERR,\n        LUA_ERRRUN,\n'],
    ['ldo', '        status: LUA_OK,\n', '        status: LUA_OK,\n        handlers: 0,\n'],
  ]),
  ...patchGroup(
    'count memory',
    'Heaps that run out end the whole process, and limits of workers leave out bytes.',
    [
      ['lstring', strict, useMeter],
      [
        'lstring',
        '        this.realstring = str;\n',
        `        this.realstring = str;
        let size = str.length;
        if (size > 255) meter.left -= size >> 6;
        if ((meter.memory -= size + 60) < 0) meter.left = -1;
`,
      ],
      [
        'lstring',
        '        ts.hash = luaS_hash(ts.getstr());\n',
        '        ts.hash = luaS_hash(ts.getstr());\n        if (ts.hash.length > 255) {\n            meter.memory -= ts.hash.length;\n            meter.left -= ts.hash.length >> 5;\n        }\n',
      ],
      [
        'lstring',
        '    return a == b || luastring_eq(a.realstring, b.realstring);',
        `    if (a === b) return true;
    if (a.realstring.length < 64) return luastring_eq(a.realstring, b.realstring);
    if (a.realstring.length !== b.realstring.length) return false;
    meter.left -= a.realstring.length >> 6;
    return Buffer.compare(a.realstring, b.realstring) === 0;`,
      ],
      [
        'lvm',
        '    let l = luaS_hashlongstr(ls);\n    let r = luaS_hashlongstr(rs);\n',
        `    if (ls.realstring.length > 255 && rs.realstring.length > 255) {
        meter.left -= Math.min(ls.realstring.length, rs.realstring.length) >> 6;
        return Buffer.compare(ls.realstring, rs.realstring);
    }
    let l = luaS_hashlongstr(ls);
    let r = luaS_hashlongstr(rs);
`,
      ],
      ['ltable', strict, useMeter],
      [
        'ltable',
        '        this.strong = new Map();\n',
        '        this.strong = new Map();\n        if ((meter.memory -= 250) < 0) meter.left = -1;\n',
      ],
      [
        'ltable',
        '    let prev = null;\n',
        '    if ((meter.memory -= 260) < 0) meter.left = -1;\n    let prev = null;\n',
      ],
      [
        'lobject',
        '        this.upvals = new Array(n); ',
        '        if ((moonpost.meter.memory -= 100 + 8 * n) < 0) moonpost.meter.left = -1;\n        this.upvals = new Array(n); ',
      ],
      [
        'lobject',
        '        this.upvalue = new Array(n); ',
        '        if ((moonpost.meter.memory -= 100 + 40 * n) < 0) moonpost.meter.left = -1;\n        this.upvalue = new Array(n); ',
      ],
      [
        'lobject',
        '        this.len = size;\n',
        '        this.len = size;\n        if ((moonpost.meter.memory -= 200) < 0) moonpost.meter.left = -1;\n',
      ],
      ['lstate', strict, useMeter],
      [
        'lstate',
        '    let L1 = new lua_State(g);\n',
        `    meter.left -= 20;
    if ((meter.memory -= 2500) < 0) meter.left = -1;
    let L1 = new lua_State(g);
`,
      ],
      ['lauxlib', strict, useMeter],
      [
        'lauxlib',
        '        let newbuff = new Uint8Array(newsize);',
        `        if (newend > meter.longestString)
            luaL_error(B.L, to_luastring("resulting string too large"));
        if (newsize > 1024) {
            if ((meter.memory -= newsize) < 0) meter.left = -1;
            charge(B.L, newsize >> 6);
        }
        let newbuff = new Uint8Array(newsize);`,
      ],
    ],
  ),
  ...patchGroup('count library work', 'A loop inside a library is one instruction of the VM.', [
    [
      'ldo',
      'const luaD_throw = function(L, errcode) {\n',
      'const luaD_throw = function(L, errcode) {\n    meter.left -= 50;\n',
    ],
    [
      'ldo',
      '        if (lim < ci.top) lim = ci.top;\n',
      '        if (lim < ci.top) lim = ci.top;\n        meter.left--;\n',
    ],
    [
      'lvm',
      '                    n = 0; /* no vararg arguments */\n',
      '                    n = 0; /* no vararg arguments */\n                meter.left -= n;\n',
    ],
    [
      'lobject',
      'const luaO_str2num = function(s, o) {\n',
      `const luaO_str2num = function(s, o) {
    if (s.length > 65536) return 0;  /* nobody writes such a number */
    moonpost.meter.left -= s.length >> 3;
`,
    ],
    ['lapi', strict, useMeter],
    [
      'lapi',
      '    L.stack[L.top] = new TValue(LUA_TNUMINT, n);\n    api_incr_top(L);\n    lvm.luaV_gettable(',
      '    charge(L, 2);\n    L.stack[L.top] = new TValue(LUA_TNUMINT, n);\n    api_incr_top(L);\n    lvm.luaV_gettable(',
    ],
    [
      'lapi',
      '    L.stack[L.top] = new TValue(LUA_TNUMINT, n);\n    api_incr_top(L);\n    lvm.settable(',
      '    charge(L, 2);\n    L.stack[L.top] = new TValue(LUA_TNUMINT, n);\n    api_incr_top(L);\n    lvm.settable(',
    ],
    ['lapi', '    let more = ltable.luaH_next(', '    charge(L, 2);\n    let more = ltable.luaH_next('],
    ['llex', strict, useMeter],
    [
      'llex',
      '    ls.current = ls.z.zgetc();\n',
      `    ${count}ls.L, false);\n    ls.current = ls.z.zgetc();\n`,
    ],
    [
      'llex',
      '    ls.lastline = ls.linenumber;\n',
      '    ls.lastline = ls.linenumber;\n    charge(ls.L, 10);\n    if ((meter.memory -= 40) < 0) meter.left = -1;\n',
    ],
    ['lutf8lib', strict, useMeter],
    [
      'lutf8lib',
      '    let c = s[pos];\n    let res = 0;',
      `    ${count}null, false);\n    let c = s[pos];\n    let res = 0;`,
    ],
    [
      'lstrlib',
      '        let c = s[i];\n        if (isupper(c))',
      '        if ((i & 0xffff) === 0xffff) moonpost.charge(L, 4096);\n        let c = s[i];\n        if (isupper(c))',
    ],
    [
      'lstrlib',
      '        let c = s[i];\n        if (islower(c))',
      '        if ((i & 0xffff) === 0xffff) moonpost.charge(L, 4096);\n        let c = s[i];\n        if (islower(c))',
    ],
    ['lstrlib', '    for (let i=0; i<l; i++)\n        r[i] = s[l-1-i];', '    r.set(s);\n    r.reverse();'],
    [
      'lstrlib',
      '    while (len--) {\n',
      '    while (len--) {\n        if ((len & 0xfff) === 0) moonpost.charge(b.L, 4096);\n',
    ],
    [
      'lstrlib',
      'const getdetails = function(h, totalsize, fmt) {\n',
      'const getdetails = function(h, totalsize, fmt) {\n    moonpost.charge(h.L, 4);\n',
    ],
    [
      'lstrlib',
      `        while (n-- > 1) {  /* first n-1 copies (followed by separator) */
            p.set(s, pi);
            pi += l;
            if (lsep > 0) {  /* empty 'memcpy' is not that cheap */
                p.set(sep, pi);
                pi += lsep;
            }
        }
        p.set(s, pi);  /* last copy (not followed by separator) */`,
      `        /* the first copy with its separator, then twice as much each time */
        p.set(s, 0);
        if (n > 1) p.set(sep, l);
        for (pi = Math.min(l + lsep, totallen); pi < totallen; pi *= 2)
            p.copyWithin(pi, 0, Math.min(pi, totallen - pi));`,
    ],
  ]),
  ...patchGroup('count pattern steps', 'Each character looked at is a step, whichever loop looks at it.', [
    [
      'lstrlib',
      'const classend = function(ms, p) {\n',
      `const countsteps = function(ms) {
    ms.steps += 256;
    ms.total += 256;
    if (ms.total > moonpost.meter.patternSteps + 32 * ms.src_end)
        luaL_error(ms.L, to_luastring("pattern takes too many steps"));
    moonpost.charge(ms.L, 128);
};

const classend = function(ms, p) {
`,
    ],
    [
      'lstrlib',
      `    if (--ms.steps < 0)
        luaL_error(ms.L, to_luastring("pattern takes too many steps"));`,
      '    if (--ms.steps < 0) countsteps(ms);',
    ],
    [
      'lstrlib',
      '    ms.steps = moonpost.patternSteps(ls);\n',
      '    ms.steps = 256;\n    ms.total = 0;\n    moonpost.meter.left -= 20;\n',
    ],
    ['lstrlib', '        this.steps = 0;\n', '        this.steps = 0;\n        this.total = 0;\n'],
    [
      'lstrlib',
      "            do {  /* look for a ']' */\n",
      "            do {  /* look for a ']' */\n                if (--ms.steps < 0) countsteps(ms);\n",
    ],
    [
      'lstrlib',
      '    while (++p < ec) {\n',
      '    while (++p < ec) {\n        if (--ms.steps < 0) countsteps(ms);\n',
    ],
    [
      'lstrlib',
      '        let c = ms.src[s];\n',
      '        let c = ms.src[s];\n        if (--ms.steps < 0) countsteps(ms);\n',
    ],
    [
      'lstrlib',
      '        while (++s < ms.src_end) {\n',
      '        while (++s < ms.src_end) {\n            if (--ms.steps < 0) countsteps(ms);\n',
    ],
    [
      'lstrlib',
      '    let len = ms.capture[l].len;\n    if ((ms.src_end-s)',
      '    let len = ms.capture[l].len;\n    ms.steps -= len >> 4;\n    if ((ms.src_end-s)',
    ],
  ]),
];
