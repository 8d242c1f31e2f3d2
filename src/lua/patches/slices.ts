import { type Patch, patchGroup } from './patch.ts';

/**
 * The library functions that take long in everyday use, as loops whose state is an object, so that they can be
 * suspended between two rounds, and so that the functions of policy that they call may wait.
 */
export const slicePatches: readonly Patch[] = [
  ...patchGroup(
    'suspendable matching',
    'gsub of a body of 1 MB takes 50 ms, in which no other session is served.',
    [
      ['lstrlib', '    lua_call,\n', '    lua_call,\n    lua_callk,\n    lua_yieldk,\n'],
      [
        'lstrlib',
        `        do {
            let res;
            reprepstate(ms);
            if ((res = match(ms, s1, 0)) !== null) {
                if (find) {
                    lua_pushinteger(L, s1 + 1);  /* start */
                    lua_pushinteger(L, res);   /* end */
                    return push_captures(ms, null, 0) + 2;
                } else
                    return push_captures(ms, s1, res);
            }
        } while (s1++ < ms.src_end && !anchor);
    }
    lua_pushnil(L);  /* not found */
    return 1;
};
`,
        `        return find_from(L, { ms, s1, anchor, find });
    }
    lua_pushnil(L);  /* not found */
    return 1;
};

const find_on = (L, status, st) => find_from(L, st);

const find_from = function(L, st) {
    let ms = st.ms;
    do {
        if (moonpost.meter.left < 0 && moonpost.meter.look(L, true)) lua_yieldk(L, 0, st, find_on);
        let res;
        reprepstate(ms);
        if ((res = match(ms, st.s1, 0)) !== null) {
            if (st.find) {
                lua_pushinteger(L, st.s1 + 1);  /* start */
                lua_pushinteger(L, res);   /* end */
                return push_captures(ms, null, 0) + 2;
            } else
                return push_captures(ms, st.s1, res);
        }
    } while (st.s1++ < ms.src_end && !st.anchor);
    lua_pushnil(L);  /* not found */
    return 1;
};
`,
      ],
      [
        'lstrlib',
        '    for (let src = gm.src; src <= gm.ms.src_end; src++) {\n',
        `    for (let src = gm.src; src <= gm.ms.src_end; src++) {
        if (moonpost.meter.left < 0) {
            gm.src = src;
            if (moonpost.meter.look(L, true)) lua_yieldk(L, 0, null, gmatch_aux);
        }
`,
      ],
      [
        'lstrlib',
        `            lua_pushvalue(L, 3);
            let n = push_captures(ms, s, e);
            lua_call(L, n, 1);
            break;`,
        '            break;  /* gsub_from has called it */',
      ],
      [
        'lstrlib',
        `    src = 0; p = 0;
    while (n < max_s) {
        let e;
        reprepstate(ms);
        if ((e = match(ms, src, p)) !== null && e !== lastmatch) {  /* match? */
            n++;
            add_value(ms, b, src, e, tr);  /* add replacement to buffer */
            src = lastmatch = e;
        } else if (src < ms.src_end)  /* otherwise, skip one character */
            luaL_addchar(b, ms.src[src++]);
        else break;  /* end of subject */
        if (anchor) break;
    }
    luaL_addlstring(b, ms.src.subarray(src, ms.src_end), ms.src_end - src);
    luaL_pushresult(b);
    lua_pushinteger(L, n);  /* number of substitutions */
    return 2;
};
`,
        `    return gsub_from(L, { ms, b, src: 0, n, max_s, tr, anchor, lastmatch, e: 0 });
};

const gsub_on = (L, status, st) => gsub_from(L, st);

const gsub_called = (L, status, st) => {
    gsub_add(st);
    return st.anchor ? gsub_end(L, st) : gsub_from(L, st);
};

const gsub_add = function(st) {
    add_value(st.ms, st.b, st.src, st.e, st.tr);  /* add replacement to buffer */
    st.src = st.lastmatch = st.e;
};

const gsub_from = function(L, st) {
    let ms = st.ms;
    while (st.n < st.max_s) {
        if (moonpost.meter.left < 0 && moonpost.meter.look(L, true)) lua_yieldk(L, 0, st, gsub_on);
        let e;
        reprepstate(ms);
        if ((e = match(ms, st.src, 0)) !== null && e !== st.lastmatch) {  /* match? */
            st.n++;
            st.e = e;
            if (st.tr === LUA_TFUNCTION) {
                lua_pushvalue(L, 3);
                lua_callk(L, push_captures(ms, st.src, e), 1, st, gsub_called);
            }
            gsub_add(st);
        } else if (st.src < ms.src_end)  /* otherwise, skip one character */
            luaL_addchar(st.b, ms.src[st.src++]);
        else break;  /* end of subject */
        if (st.anchor) break;
    }
    return gsub_end(L, st);
};

const gsub_end = function(L, st) {
    luaL_addlstring(st.b, st.ms.src.subarray(st.src, st.ms.src_end), st.ms.src_end - st.src);
    luaL_pushresult(st.b);
    lua_pushinteger(L, st.n);  /* number of substitutions */
    return 2;
};
`,
      ],
    ],
  ),
  ...patchGroup(
    'suspendable sort',
    'A quicksort on the stack of JavaScript cannot be suspended; a merge sort with its state in an object can. It ' +
      'compares less, keeps the order of equals, and no bad comparison function leads it astray.',
    [
      ['ltablib', '"use strict";\n', '"use strict";\nconst { meter } = require("moonpost");\n'],
      ['ltablib', '    lua_call,\n', '    lua_callk,\n    lua_yieldk,\n'],
      [
        'ltablib',
        'const sort = function(L) {\n',
        `const sort_on = (L, status, st) => sort_merge(L, st);

const sort_answered = (L, status, st) => {
    st.answered = true;
    return sort_merge(L, st);
};

const push_item = (L, item) => {
    lua_pushnil(L);
    L.stack[L.top - 1].setfrom(item);
};

/* whether the first item of the right run is less than that of the left one */
const sort_less = function(L, st) {
    if (!st.answered) {
        if ((meter.left -= 4) < 0 && meter.look(L, true)) lua_yieldk(L, 0, st, sort_on);
        if (lua_isnil(L, 2)) {  /* no function? */
            push_item(L, st.from[st.j]);
            push_item(L, st.from[st.i]);
            let less = lua_compare(L, -2, -1, LUA_OPLT);
            lua_pop(L, 2);
            return less;
        }
        lua_pushvalue(L, 2);
        push_item(L, st.from[st.j]);
        push_item(L, st.from[st.i]);
        lua_callk(L, 2, 1, st, sort_answered);
    }
    st.answered = false;
    let less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
};

/* merges runs of 'width' from 'from' to 'into', then of twice that width */
const sort_merge = function(L, st) {
    for (;;) {
        while (st.k < st.n) {
            if (st.i < st.mid && st.j < st.end)
                st.into[st.k] = sort_less(L, st) ? st.from[st.j++] : st.from[st.i++];
            else
                st.into[st.k] = st.i < st.mid ? st.from[st.i++] : st.from[st.j++];
            if (++st.k === st.end) sort_runs(st);
        }
        st.width *= 2;
        [st.from, st.into] = [st.into, st.from];
        if (st.width >= st.n) break;
        st.k = 0;
        sort_runs(st);
    }
    for (let i = 0; i < st.n; i++) {
        push_item(L, st.from[i]);
        lua_seti(L, 1, i + 1);
    }
    return 0;
};

/* the next two runs */
const sort_runs = function(st) {
    st.i = st.k;
    st.mid = st.j = Math.min(st.k + st.width, st.n);
    st.end = Math.min(st.k + 2 * st.width, st.n);
};

const sort = function(L) {
`,
      ],
      [
        'ltablib',
        '        auxsort(L, 1, n, 0);\n',
        `        let from = [];
        for (let i = 1; i <= n; i++) {
            lua_geti(L, 1, i);
            from.push(new TValue(L.stack[L.top - 1].type, L.stack[L.top - 1].value));
            lua_pop(L, 1);
        }
        let st = { from, into: new Array(n), n, width: 1, i: 0, mid: 0, j: 0, end: 0, k: 0, answered: false };
        sort_runs(st);
        return sort_merge(L, st);
`,
      ],
      [
        'ltablib',
        "const lualib = require('./lualib.js');\n",
        "const lualib = require('./lualib.js');\nconst { TValue } = require('./lobject.js');\n",
      ],
    ],
  ),
  ...patchGroup('suspendable concat', 'table.concat of 100,000 pieces takes 15 ms.', [
    [
      'ltablib',
      `    for (; i < last; i++) {
        addfield(L, b, i);
        luaL_addlstring(b, sep, lsep);
    }

    if (i === last)
        addfield(L, b, i);

    luaL_pushresult(b);

    return 1;
};
`,
      `    return concat_from(L, { b, i, last, sep, lsep });
};

const concat_on = (L, status, st) => concat_from(L, st);

const concat_from = function(L, st) {
    for (; st.i < st.last; st.i++) {
        if (meter.left < 0 && meter.look(L, true)) lua_yieldk(L, 0, st, concat_on);
        addfield(L, st.b, st.i);
        luaL_addlstring(st.b, st.sep, st.lsep);
    }

    if (st.i === st.last)
        addfield(L, st.b, st.i);

    luaL_pushresult(st.b);

    return 1;
};
`,
    ],
  ]),
];
