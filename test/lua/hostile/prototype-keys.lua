-- contained
local t = { ['__proto__'] = { polluted = 1 }, constructor = 1, toString = 2, hasOwnProperty = 3 }
local back = kumo.serde.json_parse(kumo.serde.json_encode(t))
assert(back.constructor == 1 and back.toString == 2 and back.hasOwnProperty == 3)
assert(type(back.__proto__) == 'table' and back.__proto__.polluted == 1)
assert(({}).polluted == nil and kumo.serde.json_parse('{}').polluted == nil)
