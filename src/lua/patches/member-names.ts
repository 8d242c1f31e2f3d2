import { type Patch, patchGroup } from './patch.ts';

/** A call of what is not there names what was meant, when the VM can tell where it was looked for. */
export const memberNamePatches: readonly Patch[] = patchGroup(
  'member names',
  'An operator who types kumo.start_esmpt_listener is told the right name; nil stays nil for those who only ask.',
  [
    [
      'ldebug',
      'const luaG_typeerror = function(L, o, op) {',
      `/* value of a register at 'pc', or null when the code does not tell */
const registervalue = function(L, ci, pc, reg) {
    let cl = ci.func.value;
    let p = cl.p;
    if (lfunc.luaF_getlocalname(p, reg + 1, pc))
        return L.stack[ci.l_base + reg];
    let at = findsetreg(p, pc, reg);
    if (at === -1) return null;
    let i = p.code[at];
    let OCi = lopcodes.OpCodesI;
    switch (i.opcode) {
        case OCi.OP_MOVE: return i.B < i.A ? registervalue(L, ci, at, i.B) : null;
        case OCi.OP_GETUPVAL: return cl.upvals[i.B];
        case OCi.OP_GETTABUP:
        case OCi.OP_GETTABLE: {
            let t = i.opcode === OCi.OP_GETTABUP ? cl.upvals[i.B] : registervalue(L, ci, at, i.B);
            if (!t || !t.ttistable() || !lopcodes.ISK(i.C)) return null;
            let k = p.k[lopcodes.INDEXK(i.C)];
            return k.ttisstring() ? ltable.luaH_getstr(t.value, k.tsvalue()) : null;
        }
        default: return null;
    }
};

const memberhint = function(L, o) {
    let ci = L.ci;
    if (!(ci.callstatus & lstate.CIST_LUA) || !o.ttisnil() || getupvalname(L, ci, o)) return "";
    let stkid = isinstack(L, ci, o);
    if (!stkid) return "";
    let cl = ci.func.value;
    let p = cl.p;
    let pc = currentpc(ci);
    let reg = stkid - ci.l_base;
    if (lfunc.luaF_getlocalname(p, reg + 1, pc)) return "";
    let at = findsetreg(p, pc, reg);
    if (at === -1) return "";
    let i = p.code[at];
    let OCi = lopcodes.OpCodesI;
    let owner = null;
    if (i.opcode === OCi.OP_GETTABUP) owner = cl.upvals[i.B];
    else if (i.opcode === OCi.OP_GETTABLE) owner = registervalue(L, ci, at, i.B);
    else if (i.opcode === OCi.OP_SELF) owner = L.stack[ci.l_base + i.A + 1];
    if (!owner || !lopcodes.ISK(i.C)) return "";
    let k = p.k[lopcodes.INDEXK(i.C)];
    return k.ttisstring() ? require("moonpost").memberHint(L, owner, k.svalue()) : "";
};

const luaG_typeerror = function(L, o, op) {`,
    ],
    [
      'ldebug',
      'luaG_runerror(L, to_luastring("attempt to %s a %s value%s", true), op, t, varinfo(L, o));',
      'luaG_runerror(L, to_luastring("attempt to %s a %s value%s%s", true), op, t, varinfo(L, o), to_luastring(memberhint(L, o)));',
    ],
  ],
);
