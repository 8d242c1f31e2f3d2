local kumo = require 'kumo'
local test = require 'testing'
local e = kumo.encode

-- RFC 4648 section 10.
test('texts of RFC 4648', function()
  local plain = { '', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar' }
  local expected = {
    base64 = { '', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy' },
    base32 = { '', 'MY======', 'MZXQ====', 'MZXW6===', 'MZXW6YQ=', 'MZXW6YTB', 'MZXW6YTBOI======' },
    base32hex = { '', 'CO======', 'CPNG====', 'CPNMU===', 'CPNMUOG=', 'CPNMUOJ1', 'CPNMUOJ1E8======' },
  }
  for base, texts in pairs(expected) do
    for i, text in ipairs(texts) do
      test.equal(e[base .. '_encode'](plain[i]), text)
      test.equal(e[base .. '_decode'](text), plain[i])
      local bare = text:gsub('=', '')
      test.equal(e[base .. '_nopad_encode'](plain[i]), bare)
      test.equal(e[base .. '_nopad_decode'](bare), plain[i])
      test.equal(e[base .. '_decode'](bare), plain[i])
    end
  end
  test.equal(e.base64url_encode '\xfb\xff', '-_8=')
  test.equal(e.base64_decode '+/8=', '\xfb\xff')
  test.equal(e.hex_encode '\x00\xff', '00ff')
  test.equal(e.hex_decode '00ff', '\x00\xff')
end)

test('what is wrong is refused', function()
  test.raises('character 1', e.base64_decode, '-_8=')
  test.raises('character 4', e.base64_nopad_decode, 'Zm8=')
  test.raises('middle of a byte', e.base64_decode, 'Z')
  test.raises('middle of a byte', e.base64_decode, 'Zh==')
  test.raises('hex', e.hex_decode, 'FF')
  test.raises('hex', e.hex_decode, 'f')
end)

test('character sets', function()
  test.equal(e.charset_decode('iso-8859-1', 'gr\xf6\xdfe'), 'größe')
  test.equal(e.charset_encode('iso-8859-15', 'größe €'), 'gr\xf6\xdfe \xa4')
  test.equal(e.charset_encode('shift_jis', 'あ'), '\x82\xa0')
  test.equal(e.charset_decode('iso-2022-jp', '\x1b$B$"\x1b(B'), 'あ')
  test.equal(e.charset_encode('utf-16le', 'a'), 'a\0')
  test.equal(e.charset_encode('us-ascii', 'aあb'), 'ab')
  test.raises('cannot be written', e.charset_encode, 'us-ascii', 'あ', false)
  test.raises('not a character set', e.charset_decode, 'x-nonsense', '')
end)
