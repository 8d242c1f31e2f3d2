import { type Patch, patchGroup } from './patch.ts';

/**
 * `local x <close> = v` of Lua 5.4. The compiler marks the block as one that must be closed (as it does for
 * upvalues) and emits a move of the register onto itself, which it never does otherwise; the VM takes that as
 * "close this one". Closing then happens wherever the VM closes upvalues: end of block, break, goto, return,
 * error.
 */
export const closePatches: readonly Patch[] = patchGroup(
  'close attribute',
  '`local timer <close> = kumo.time.start_timer(..)` is the documented idiom and was a syntax error.',
  [
    [
      'lstate',
      '        this.errfunc = 0;\n',
      '        this.errfunc = 0;\n        this.tbc = [];  /* stack levels to be closed */\n',
    ],
    [
      'lparser',
      '        this.upval = NaN; ',
      '        this.tbc = false;      /* true if some variable is to be closed */\n        this.upval = NaN; ',
    ],
    [
      'lparser',
      '    let e = new expdesc();\n    do {\n        new_localvar(ls, str_checkname(ls));',
      '    let e = new expdesc();\n    let toclose = -1;\n    do {\n        new_localvar(ls, str_checkname(ls));',
    ],
    [
      'lparser',
      '            ls.dyd.actvar.arr[ls.dyd.actvar.n - 1].ro = true;\n',
      `            ls.dyd.actvar.arr[ls.dyd.actvar.n - 1].ro = true;
            if (attribute === "close") {
                if (toclose !== -1)
                    semerror(ls, to_luastring("multiple to-be-closed variables in local list", true));
                toclose = nvars;
            }
`,
    ],
    [
      'lparser',
      '    adjust_assign(ls, nvars, nexps, e);\n    adjustlocalvars(ls, nvars);\n};\n\nconst funcname',
      `    adjust_assign(ls, nvars, nexps, e);
    adjustlocalvars(ls, nvars);
    if (toclose !== -1) {
        let fs = ls.fs;
        let level = fs.nactvar - nvars + toclose;
        fs.bl.upval = 1;
        fs.bl.tbc = true;
        luaK_codeABC(fs, OP_MOVE, level, level, 0);
    }
};

const insidetbc = function(fs) {
    for (let bl = fs.bl; bl; bl = bl.previous)
        if (bl.tbc) return true;
    return false;
};

const funcname`,
    ],
    [
      'lparser',
      'if (e.k === expkind.VCALL && nret === 1) {  /* tail call? */',
      'if (e.k === expkind.VCALL && nret === 1 && !insidetbc(fs)) {',
    ],
    [
      'lvm',
      '            case OP_MOVE: {\n',
      '            case OP_MOVE: {\n                if (i.A === i.B) {\n                    lfunc.luaF_newtbc(L, ra);\n                    break;\n                }\n',
    ],
    [
      'lvm',
      '            case OP_RETURN: {\n                if (cl.p.p.length > 0) lfunc.luaF_close(L, base);',
      '            case OP_RETURN: {\n                if (cl.p.p.length > 0 || L.tbc.length > 0) lfunc.luaF_close(L, base);',
    ],
    ['ldo', '        lfunc.luaF_close(L, old_top);', '        lfunc.luaF_closeerror(L, old_top);'],
    ['ldo', '    lfunc.luaF_close(L, oldtop);', '    lfunc.luaF_closeerror(L, oldtop);'],
    [
      'lfunc',
      'const luaF_close = function(L, level) {',
      `const closemethod = function(L, o) {
    const { TString } = require('./lstring.js');
    const mt = (o.ttistable() || o.ttisfulluserdata()) ? o.value.metatable : null;
    if (!mt) return lobject.luaO_nilobject;
    return require('./ltable.js').luaH_getstr(mt, new TString(L, Uint8Array.of(95, 95, 99, 108, 111, 115, 101)));
};

const luaF_newtbc = function(L, level) {
    const o = L.stack[level];
    if (o.l_isfalse()) return;  /* nil and false need no closing */
    if (closemethod(L, o).ttisnil()) {
        const ci = L.ci;
        const name = luaF_getlocalname(ci.func.value.p, level - ci.l_base + 1, ci.l_savedpc);
        const { luaG_runerror } = require('./ldebug.js');
        luaG_runerror(L, new Uint8Array(Buffer.from("variable '%s' got a non-closable value")), name || Uint8Array.of(63));
    }
    L.tbc.push(level);
};

/* calls the __close of the variable at the top of the list */
const closetop = function(L, err) {
    const o = L.stack[L.tbc.pop()];
    const ldo = require('./ldo.js');
    const nil = lobject.luaO_nilobject;
    const first = L.top;
    ldo.luaD_checkstack(L, 3);
    lobject.pushobj2s(L, closemethod(L, o));
    lobject.pushobj2s(L, o);
    lobject.pushobj2s(L, err === null ? nil : err);
    ldo.luaD_callnoyield(L, first, 0);
};

/* after an error, whose value is at the top of the stack; an error while closing takes its place */
const luaF_closeerror = function(L, level) {
    const ldo = require('./ldo.js');
    while (L.tbc.length > 0 && L.tbc[L.tbc.length - 1] >= level) {
        const oldtop = L.top;
        const status = ldo.luaD_pcall(L, closetop, L.stack[oldtop - 1] || null, oldtop, 0);
        if (status !== 0) {
            lobject.setobjs2s(L, oldtop - 1, oldtop);
            L.stack[--L.top] = void 0;
        }
    }
    luaF_close(L, level);
};

const luaF_close = function(L, level) {
    while (L.tbc.length > 0 && L.tbc[L.tbc.length - 1] >= level)
        closetop(L, null);`,
    ],
    [
      'lfunc',
      'module.exports.luaF_close        = luaF_close;',
      'module.exports.luaF_close        = luaF_close;\nmodule.exports.luaF_closeerror   = luaF_closeerror;\nmodule.exports.luaF_newtbc       = luaF_newtbc;',
    ],
  ],
);
