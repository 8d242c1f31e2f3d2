import { type Patch, patchGroup } from './patch.ts';

const useSupport = 'const moonpost = require("moonpost");\n';

/** What brings the language from Lua 5.3 with 32-bit integers to the Lua 5.4 that policies are written for. */
export const languagePatches: readonly Patch[] = [
  ...patchGroup('table order', 'pairs{1,2,3} gave 3, 2, 1: a constructor fills from its first item on.', [
    [
      'lvm',
      `                let last = ((c - 1) * LFIELDS_PER_FLUSH) + n;

                for (; n > 0; n--) {
                    ltable.luaH_setint(h, last--, L.stack[ra + n]);
                }`,
      `                let first = (c - 1) * LFIELDS_PER_FLUSH;

                for (let j = 1; j <= n; j++) {
                    ltable.luaH_setint(h, first + j, L.stack[ra + j]);
                }`,
    ],
  ]),
  ...patchGroup('require', 'In Lua 5.4 it also gives what the searcher said of the place of the module.', [
    [
      'loadlib',
      `    lua_pushstring(L, name);  /* pass name as argument to module loader */
    lua_insert(L, -2);  /* name is 1st argument (before search data) */
    lua_callk(L, 2, 1, ctx, ll_require_cont2);`,
      `    lua_insert(L, -2);  /* the place goes below the loader */
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -3);
    lua_callk(L, 2, 1, ctx, ll_require_cont2);`,
    ],
    [
      'loadlib',
      `        lua_setfield(L, 2, name);  /* LOADED[name] = returned value */
    if (lua_getfield(L, 2, name) == LUA_TNIL) {   /* module set no value? */
        lua_pushboolean(L, 1);  /* use true as result */
        lua_pushvalue(L, -1);  /* extra copy to be returned */
        lua_setfield(L, 2, name);  /* LOADED[name] = true */
    }
    return 1;`,
      `        lua_setfield(L, 2, name);  /* LOADED[name] = returned value */
    else
        lua_pop(L, 1);
    if (lua_getfield(L, 2, name) == LUA_TNIL) {   /* module set no value? */
        lua_pop(L, 1);
        lua_pushboolean(L, 1);  /* use true as result */
        lua_pushvalue(L, -1);  /* extra copy to be returned */
        lua_setfield(L, 2, name);  /* LOADED[name] = true */
    }
    lua_insert(L, -2);
    return 2;`,
    ],
    [
      'loadlib',
      `name);
    return 1;
};

const findloader =`,
      `name);
    else {
        lua_pushstring(L, to_luastring(":preload:"));
        return 2;
    }
    return 1;
};

const findloader =`,
    ],
  ]),
  ...patchGroup('gmatch from a place', 'string.gmatch(s, pattern, init) is new in Lua 5.4.', [
    [
      'lstrlib',
      '    lua_settop(L, 2);  /* keep them on closure to avoid being collected */',
      `    let init = posrelat(luaL_optinteger(L, 3, 1), ls);
    init = init < 1 ? 0 : Math.min(init - 1, ls + 1);
    lua_settop(L, 2);  /* keep them on closure to avoid being collected */`,
    ],
    ['lstrlib', '    gm.src = 0;\n    gm.p = 0;', '    gm.src = init;\n    gm.p = 0;'],
  ]),
  ...patchGroup(
    'collectgarbage',
    'It raised "lua_gc not implemented"; scripts call it to measure or to tidy up.',
    [
      [
        'lbaselib',
        `    luaL_checkoption(L, 1, "collect", opts);
    luaL_optinteger(L, 2, 0);
    luaL_error(L, to_luastring("lua_gc not implemented"));`,
        `    let option = luaL_checkoption(L, 1, "collect", opts);
    luaL_optinteger(L, 2, 0);
    if (option === 3) lua_pushinteger(L, Math.round(process.memoryUsage.rss() / 1024));
    else if (option === 7) lua_pushboolean(L, 1);
    else lua_pushinteger(L, 0);
    return 1;`,
      ],
      ['lbaselib', '    "isrunning"\n].map', '    "isrunning", "generational", "incremental"\n].map'],
    ],
  ),
  ...patchGroup(
    'pattern steps',
    'Lua patterns backtrack, and no hook fires inside: each call counts its steps.',
    [
      ['lstrlib', '"use strict";\n', `"use strict";\n${useSupport}`],
      [
        'lstrlib',
        '    ms.matchdepth = MAXCCALLS;\n    ms.src = s;',
        '    ms.matchdepth = MAXCCALLS;\n    ms.steps = moonpost.patternSteps(ls);\n    ms.src = s;',
      ],
      [
        'lstrlib',
        '    if (ms.matchdepth-- === 0)\n',
        `    if (--ms.steps < 0)
        luaL_error(ms.L, to_luastring("pattern takes too many steps"));
    if (ms.matchdepth-- === 0)\n`,
      ],
      [
        'lstrlib',
        '        this.matchdepth = NaN;',
        '        this.steps = 0;\n        this.matchdepth = NaN;',
      ],
    ],
  ),
  ...patchGroup('string size', "string.rep('x', 1e9) allocated a gigabyte.", [
    ['lstrlib', 'l + lsep > MAXSIZE / n)', 'l + lsep > moonpost.meter.longestString / n)'],
    [
      'lvm',
      '            let buff = new Uint8Array(tl);\n            copy2buff',
      `            if (tl > moonpost.meter.longestString)
                ldebug.luaG_runerror(L, to_luastring("resulting string too large", true));
            let buff = new Uint8Array(tl);
            copy2buff`,
    ],
  ]),
  ...patchGroup('formatted numbers', 'string.format follows C: %g, %e, padding, 64-bit %x, %s on bytes.', [
    [
      'lstrlib',
      'luaL_addstring(b, to_luastring(sprintf(String.fromCharCode(...form), n)));',
      'luaL_addstring(b, to_luastring(moonpost.formatNumber(String.fromCharCode(...form), n)));',
      2,
    ],
    [
      'lstrlib',
      'luaL_addstring(b, to_luastring(sprintf(String.fromCharCode(...form), to_jsstring(s))));',
      'luaL_addstring(b, moonpost.formatBytes(String.fromCharCode(...form), s));',
    ],
  ]),
  ...patchGroup(
    'depth',
    'A runaway recursion reached a million slots after seconds; 100,000 are 30,000 calls deep.',
    [['luaconf', 'conf.LUAI_MAXSTACK || 1000000', 'conf.LUAI_MAXSTACK || 100000']],
  ),
  ...patchGroup('file names', 'Messages named a shortened path; an operator needs the whole one.', [
    [
      'lobject',
      '/* file name */\n        if (l <= bufflen) {',
      '/* file name */\n        if (l <= bufflen || l <= 4096) {',
    ],
  ]),
  ...patchGroup('attributes', '`local x <const> = 1` of Lua 5.4; an assignment to it is a syntax error.', [
    [
      'lparser',
      '        name: name\n    };\n    return fs.nups++;',
      '        name: name,\n        ro: fs.prev !== null && (v.k === expkind.VLOCAL ? isreadonly(fs.prev, v.u.info) : fs.prev.f.upvalues[v.u.info].ro)\n    };\n    return fs.nups++;',
    ],
    [
      'lparser',
      'const newupvalue = function(fs, name, v) {',
      `const isreadonly = function(fs, i) {
    return fs.ls.dyd.actvar.arr[fs.firstlocal + i].ro;
};

const checkreadonly = function(ls, v) {
    let name = null;
    if (v.k === expkind.VLOCAL && isreadonly(ls.fs, v.u.info))
        name = getlocvar(ls.fs, v.u.info).varname;
    else if (v.k === expkind.VUPVAL && ls.fs.f.upvalues[v.u.info].ro)
        name = ls.fs.f.upvalues[v.u.info].name;
    if (name !== null)
        semerror(ls, lobject.luaO_pushfstring(ls.L,
            to_luastring("attempt to assign to const variable '%s'"), name.getstr()));
};

const newupvalue = function(fs, name, v) {`,
    ],
    [
      'lparser',
      '        this.idx = NaN;  /* variable index in stack */',
      '        this.idx = NaN;\n        this.ro = false;',
    ],
    [
      'lparser',
      '    check_condition(ls, vkisvar(lh.v.k), to_luastring("syntax error", true));\n',
      '    check_condition(ls, vkisvar(lh.v.k), to_luastring("syntax error", true));\n    checkreadonly(ls, lh.v);\n',
    ],
    [
      'lparser',
      '    let ismethod = funcname(ls, v);\n',
      '    let ismethod = funcname(ls, v);\n    checkreadonly(ls, v);\n',
    ],
    [
      'lparser',
      "        new_localvar(ls, str_checkname(ls));\n        nvars++;\n    } while (testnext(ls, 44 /* (',').charCodeAt(0) */));\n    if (testnext(ls, 61",
      `        new_localvar(ls, str_checkname(ls));
        if (testnext(ls, 60 /* ('<').charCodeAt(0) */)) {
            let attribute = String.fromCharCode(...str_checkname(ls).getstr());
            checknext(ls, 62 /* ('>').charCodeAt(0) */);
            if (attribute !== "const" && attribute !== "close")
                semerror(ls, lobject.luaO_pushfstring(ls.L, to_luastring("unknown attribute '%s'"), to_luastring(attribute)));
            ls.dyd.actvar.arr[ls.dyd.actvar.n - 1].ro = true;
        }
        nvars++;
    } while (testnext(ls, 44 /* (',').charCodeAt(0) */));
    if (testnext(ls, 61`,
    ],
  ]),
];
