import { type Patch, patchGroup } from './patch.ts';

const why =
  'Integers of 32 bits wrap silently (2*1024*1024*1024 was negative, os.time()*1000 garbage). ' +
  'Here an integer has up to 53 bits, and a larger result becomes a float.';

const useSupport = 'const moonpost = require("moonpost");\n';
const slowAdd = (op: string) => `L.stack[ra].setfltvalue(${op});`;
const slowAddExact = (op: string, a: string, b: string) => `setslow(L.stack[ra], ${a}, ${b}, ${op});`;

/** Numbers as in Lua 5.4, exact up to 2^53. */
export const numberPatches: readonly Patch[] = [
  ...patchGroup('integer range', why, [
    ['luaconf', 'const LUA_MAXINTEGER = 2147483647;', 'const LUA_MAXINTEGER = Number.MAX_SAFE_INTEGER;'],
    ['luaconf', 'const LUA_MININTEGER = -2147483648;', 'const LUA_MININTEGER = Number.MIN_SAFE_INTEGER;'],
    [
      'luaconf',
      'return n >= LUA_MININTEGER && n < -LUA_MININTEGER ? n : false;',
      'return n >= LUA_MININTEGER && n <= LUA_MAXINTEGER ? n + 0 : false;',
    ],
    ['lapi', 'typeof n === "number" && (n|0) === n)', 'Number.isSafeInteger(n))'],
    ['ltable', 'typeof key == "number" && (key|0) === key', 'Number.isSafeInteger(key)', 2],
    ['ltable', 'key.ttisfloat() && (kv|0) === kv)', 'key.ttisfloat() && Number.isSafeInteger(kv))'],
    ['ltable', 'new lobject.TValue(LUA_TNUMINT, kv);', 'new lobject.TValue(LUA_TNUMINT, kv + 0);'],
    ['ltablib', 'n < LUA_MAXINTEGER, 1, "array too big"', 'n < 2147483647, 1, "array too big"'],
  ]),
  ...patchGroup('integer arithmetic', why, [
    ['lobject', '"use strict";\n', `"use strict";\n${useSupport}`],
    [
      'lobject',
      '    chgivalue(x) {',
      `    /* an integer where it is exact, else a float */
    setexact(x) {
        this.type = x <= Number.MAX_SAFE_INTEGER && x >= Number.MIN_SAFE_INTEGER ? LUA_TNUMINT : LUA_TNUMFLT;
        this.value = x + 0;
    }

    chgivalue(x) {`,
    ],
    ['lobject', 'return (v1 + v2)|0;', 'return v1 + v2;'],
    ['lobject', 'return (v1 - v2)|0;', 'return v1 - v2;'],
    ['lobject', 'return lvm.luaV_imul(v1, v2);', 'return v1 * v2;'],
    ['lobject', 'return (v1 & v2);', 'return moonpost.and(v1, v2);'],
    ['lobject', 'return (v1 | v2);', 'return moonpost.or(v1, v2);'],
    ['lobject', 'return (v1 ^ v2);', 'return moonpost.xor(v1, v2);'],
    ['lobject', 'return (0 - v1)|0;', 'return 0 - v1;'],
    ['lobject', 'return (~0 ^ v1);', 'return moonpost.xor(-1, v1);'],
    ['lobject', 'res.setivalue(intarith(', 'res.setexact(intarith(', 2],
    ['lvm', '"use strict";\n', `"use strict";\n${useSupport}`],
    ['lvm', '.setivalue((op1.value + op2.value)|0);', '.setexact(op1.value + op2.value);'],
    ['lvm', '.setivalue((op1.value - op2.value)|0);', '.setexact(op1.value - op2.value);'],
    ['lvm', '.setivalue(luaV_imul(op1.value, op2.value));', '.setexact(op1.value * op2.value);'],
    ['lvm', '.setivalue((-op.value)|0);', '.setexact(0 - op.value);'],
    ['lvm', '.setivalue(numberop1 & numberop2);', '.setexact(moonpost.and(numberop1, numberop2));'],
    ['lvm', '.setivalue(numberop1 | numberop2);', '.setexact(moonpost.or(numberop1, numberop2));'],
    ['lvm', '.setivalue(numberop1 ^ numberop2);', '.setexact(moonpost.xor(numberop1, numberop2));'],
    ['lvm', '.setivalue(luaV_shiftl(', '.setexact(luaV_shiftl(', 2],
    [
      'lvm',
      `                if (op.ttisinteger()) {
                    L.stack[ra].setivalue(~op.value);`,
      `                let numberop;
                if ((numberop = tointeger(op)) !== false) {
                    L.stack[ra].setexact(moonpost.xor(-1, numberop));`,
    ],
    ['lvm', 'return Math.floor(m / n)|0;', 'return moonpost.divide(m, n);'],
    ['lvm', 'return (m - Math.floor(m / n) * n)|0;', 'return moonpost.modulo(m, n);'],
    [
      'lvm',
      `    if (y < 0) {  /* shift right? */
        if (y <= -NBITS) return 0;
        else return x >>> -y;
    }
    else {  /* shift left */
        if (y >= NBITS) return 0;
        else return x << y;
    }`,
      '    return moonpost.shiftLeft(x, y);',
    ],
    ['lvm', 'const NBITS = 32;\n', ''],
    ['lvm', 'let idx = (L.stack[ra].value + step)|0;', 'let idx = L.stack[ra].value + step;'],
    ['lvm', 'init.value = (initv - pstep.value)|0;', 'init.value = initv - pstep.value;'],
    ['lmathlib', 'if (n < 0) n = (-n)|0;', 'if (n < 0) n = -n;'],
    ['lmathlib', '(lua_tointeger(L, 1) % d)|0', 'lua_tointeger(L, 1) % d + 0'],
  ]),
  ...patchGroup('arithmetic on numerals', '"10"+1 is the integer 11 in Lua 5.4, where it was 11.0.', [
    [
      'lvm',
      'const luaV_execute = function(L) {',
      `const isintegral = function(o) {
    if (o.ttisinteger()) return true;
    if (!o.ttisstring()) return false;
    let v = new lobject.TValue();
    return lobject.luaO_str2num(o.svalue(), v) !== 0 && v.ttisinteger();
};

/* result of an operator whose operands were not two integers */
const setslow = function(res, op1, op2, x) {
    if ((op1.ttisstring() || op2.ttisstring()) && isintegral(op1) && isintegral(op2) && Number.isSafeInteger(x))
        res.setivalue(x + 0);
    else
        res.setfltvalue(x);
};

const luaV_execute = function(L) {`,
    ],
    ['lvm', slowAdd('numberop1 + numberop2'), slowAddExact('numberop1 + numberop2', 'op1', 'op2')],
    ['lvm', slowAdd('numberop1 - numberop2'), slowAddExact('numberop1 - numberop2', 'op1', 'op2')],
    ['lvm', slowAdd('numberop1 * numberop2'), slowAddExact('numberop1 * numberop2', 'op1', 'op2')],
    ['lvm', slowAdd('-numberop'), slowAddExact('-numberop', 'op', 'op')],
    [
      'lvm',
      slowAdd('luai_nummod(L, numberop1, numberop2)'),
      slowAddExact('luai_nummod(L, numberop1, numberop2)', 'op1', 'op2'),
    ],
    [
      'lvm',
      slowAdd('Math.floor(numberop1 / numberop2)'),
      slowAddExact('Math.floor(numberop1 / numberop2)', 'op1', 'op2'),
    ],
  ]),
  ...patchGroup('numerals', why, [
    ['lobject', 'Math.floor(MAX_INT / 10)', 'Math.floor(Number.MAX_SAFE_INTEGER / 10)'],
    ['lobject', 'MAX_INT % 10;', 'Number.MAX_SAFE_INTEGER % 10;'],
    ['lobject', 'd > MAXLASTD + neg)', 'd > MAXLASTD)'],
    [
      'lobject',
      'a = (a * 16 + luaO_hexavalue(s[i]))|0;\n            empty = false;\n        }',
      'empty = false;\n        }\n        if (!empty) a = moonpost.hexInteger(s, hexstart, i);',
    ],
    [
      'lobject',
      "        i += 2;  /* skip '0x' */\n",
      "        i += 2;  /* skip '0x' */\n        let hexstart = i;\n",
    ],
    ['lobject', 'a = (a * 10 + d)|0;', 'a = a * 10 + d;'],
    ['lobject', 'n: (neg ? -a : a)|0,', 'n: (neg ? 0 - a : a),'],
    ['lobject', 'o.setivalue(s2i.n);', 'o.setexact(s2i.n);'],
    ['lbaselib', '"use strict";\n', `"use strict";\n${useSupport}`],
    [
      'lbaselib',
      'let v = parseInt(r[1]+r[2], base);\n    if (isNaN(v)) return null;\n    return v|0;',
      'let v = moonpost.parseDigits(r[2], base);\n    if (v === undefined) return null;\n    return r[1] === "-" ? 0 - v : v;',
    ],
    [
      'lbaselib',
      '            lua_pushinteger(L, n);\n            return 1;\n        }\n    }\n\n    lua_pushnil(L);',
      '            if (moonpost.isSafe(n)) lua_pushinteger(L, n);\n            else lua_pushnumber(L, n);\n            return 1;\n        }\n    }\n\n    lua_pushnil(L);',
    ],
    ['lbaselib', '    lua_pushliteral,\n', '    lua_pushliteral,\n    lua_pushnumber,\n'],
  ]),
  ...patchGroup(
    'number to text',
    'inf, nan and exponents as C prints them; large integral values without exponent.',
    [
      ['luaconf', '"use strict";\n', `"use strict";\n${useSupport}`],
      ['luaconf', 'return String(Number(n.toPrecision(14)));', 'return moonpost.formatFloat(n);'],
      [
        'lobject',
        '/^[-0123456789]+$/.test(str))',
        '/^[-0123456789]+$/.test(str) && (obj.value|0) === obj.value)',
      ],
      ['lstrlib', 'to_luastring(sprintf(format, n))', 'to_luastring(String(n))'],
    ],
  ),
  ...patchGroup('packed integers', 'Integers of 8 bytes, as on the 64-bit machines KumoMTA runs on.', [
    ['lstrlib', 'const SZINT = 4;', 'const SZINT = 8;'],
    ['lstrlib', "case 108 /*'l'*/: r.size = 4;", "case 108 /*'l'*/: r.size = 8;"],
    ['lstrlib', "case 76  /*'L'*/: r.size = 4;", "case 76  /*'L'*/: r.size = 8;"],
    ['lstrlib', "case 106 /*'j'*/: r.size = 4;", "case 106 /*'j'*/: r.size = 8;"],
    ['lstrlib', "case 74  /*'J'*/: r.size = 4;", "case 74  /*'J'*/: r.size = 8;"],
    ['lstrlib', "case 84  /*'T'*/: r.size = 4;", "case 84  /*'T'*/: r.size = 8;"],
    [
      'lstrlib',
      "case 115 /*'s'*/: r.size = getnumlimit(h, fmt, 4);",
      "case 115 /*'s'*/: r.size = getnumlimit(h, fmt, 8);",
    ],
    [
      'lstrlib',
      `    buff[islittle ? 0 : size - 1] = n & MC;  /* first byte */
    for (let i = 1; i < size; i++) {
        n >>= NB;
        buff[islittle ? i : size - 1 - i] = n & MC;
    }
    if (neg && size > SZINT) {  /* negative number need sign extension? */
        for (let i = SZINT; i < size; i++)  /* correct extra bytes */
            buff[islittle ? i : size - 1 - i] = MC;
    }`,
      '    moonpost.packInteger(buff, n, size, islittle);',
    ],
    ['lstrlib', 'let lim = 1 << (size * 8) - 1;', 'let lim = 2 ** (size * 8 - 1);'],
    [
      'lstrlib',
      'luaL_argcheck(L, (n>>>0) < (1 << (size * NB)), arg',
      'luaL_argcheck(L, n >= 0 && n < 2 ** (size * NB), arg',
    ],
    ['lstrlib', 'packint(b, n>>>0, h.islittle, size, false);', 'packint(b, n, h.islittle, size, n < 0);'],
    ['lstrlib', 'len < (1 << (size * NB)),', 'len < 2 ** (size * NB),'],
    [
      'lstrlib',
      `    let res = 0;
    let limit = size <= SZINT ? size : SZINT;
    for (let i = limit - 1; i >= 0; i--) {
        res <<= NB;
        res |= str[islittle ? i : size - 1 - i];
    }
    if (size < SZINT) {  /* real size smaller than lua_Integer? */
        if (issigned) {  /* needs sign extension? */
            let mask = 1 << (size * NB - 1);
            res = ((res ^ mask) - mask);  /* do sign extension */
        }
    } else if (size > SZINT) {  /* must check unread bytes */
        let mask = !issigned || res >= 0 ? 0 : MC;
        for (let i = limit; i < size; i++) {
            if (str[islittle ? i : size - 1 - i] !== mask)
                luaL_error(L, to_luastring("%d-byte integer does not fit into Lua Integer"), size);
        }
    }
    return res;`,
      `    let res = moonpost.unpackInteger(str, size, islittle, issigned);
    if (res === void 0)
        luaL_error(L, to_luastring("%d-byte integer does not fit into Lua Integer"), size);
    return res;`,
    ],
    [
      'lstrlib',
      '                lua_pushinteger(L, res);\n',
      '                if (moonpost.isSafe(res)) lua_pushinteger(L, res);\n                else lua_pushnumber(L, res);\n',
    ],
  ]),
];
