local kumo = require 'kumo'
local test = require 'testing'
local d = kumo.digest

test('hashes of abc', function()
  test.equal(tostring(d.sha1 'abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d')
  test.equal(d.sha256('abc').hex, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  test.equal(d.sha3_256('abc').hex, '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532')
  test.equal(d.sha512_256('abc').hex, '53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23')
  test.equal(d.crc32('123456789').hex, 'cbf43926')
  test.equal(d.sha256('a', 'bc').hex, d.sha256('abc').hex)
  test.equal(d.sha1({ 1 }).hex, d.sha1('[1]').hex)
  test.equal(d.sha224('').hex, 'd14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f')
  test.equal(#d.sha384('').bytes + #d.sha512('').bytes + #d.sha3_384('').bytes + #d.sha3_512('').bytes, 48 + 64 + 48 + 64)
end)

test('forms of a result', function()
  local r = d.crc32 '123456789'
  test.equal({ r.base64, r.base64_nopad, r.base64url, r.base32, r.base32hex_nopad, r.bytes }, {
    'y/Q5Jg==',
    'y/Q5Jg',
    'y_Q5Jg==',
    'ZP2DSJQ=',
    'PFQ3I9G',
    '\xcb\xf4\x39\x26',
  })
end)

-- RFC 4231, test case 2.
test('hmac', function(directory)
  local expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  test.equal(d.hmac_sha256({ key_data = 'Jefe' }, 'what do ya want for nothing?').hex, expected)
  local file = kumo.fs.open(directory .. '/key', 'w')
  file:write 'Jefe'
  file:close()
  test.equal(d.hmac_sha256(directory .. '/key', 'what do ya want for nothing?').hex, expected)
  test.raises('ENOENT', d.hmac_sha1, directory .. '/none', 'x')
end)

kumo.on('my_key', function(name)
  return 'Je' .. name
end)

test('keys from events', function()
  test.equal(kumo.secrets.load { event_name = 'my_key', event_args = { 'fe' } }, 'Jefe')
  test.raises('Event no_key has not been registered', kumo.secrets.load, { event_name = 'no_key', event_args = {} })
  test.equal(kumo.secrets.load { key_data = '\xff\x00' }, '\xff\x00')
end)

test('aes', function()
  local key = { key = { key_data = ('k'):rep(32) } }
  for _, mode in ipairs { 'Cbc', 'Ecb' } do
    local secret = kumo.crypto.aes_encrypt_block(mode, 'hello', key)
    test.equal(type(secret), 'string')
    test.equal(#secret, mode == 'Cbc' and 32 or 16)
    test.equal(kumo.crypto.aes_decrypt_block(mode, secret, key).bytes, 'hello')
  end
  test.raises('16 or 32 bytes', kumo.crypto.aes_encrypt_block, 'Ecb', 'x', { key = { key_data = 'short' } })
  test.raises('cannot be decrypted', kumo.crypto.aes_decrypt_block, 'Ecb', ('x'):rep(16), key)
  -- FIPS-197 appendix C.1, first block.
  local hex = kumo.encode.hex_decode
  local block = kumo.crypto.aes_encrypt_block('Ecb', hex '00112233445566778899aabbccddeeff', {
    key = { key_data = hex '000102030405060708090a0b0c0d0e0f' },
  })
  test.equal(kumo.encode.hex_encode(block:sub(1, 16)), '69c4e0d86a7b0430d8cdb78070b4c55a')
end)

-- The example of Amazon's documentation of signature version 4.
test('aws_sign_v4', function()
  local signed = kumo.crypto.aws_sign_v4 {
    access_key = 'AKIDEXAMPLE',
    secret_key = { key_data = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
    region = 'us-east-1',
    service = 'iam',
    method = 'GET',
    uri = '/',
    query_params = { Action = 'ListUsers', Version = '2010-05-08' },
    headers = {
      ['Content-Type'] = 'application/x-www-form-urlencoded; charset=utf-8',
      Host = 'iam.amazonaws.com',
    },
    timestamp = '20150830T123600Z',
  }
  test.equal(signed.timestamp, '20150830T123600Z')
  test.equal(signed.signature, '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7')
  test.matches(signed.authorization, '^AWS4%-HMAC%-SHA256 Credential=AKIDEXAMPLE/20150830/us%-east%-1/iam/aws4_request, ')
end)

test('uuid', function()
  local u = kumo.uuid
  for version, make in pairs { ['1'] = u.new_v1, ['4'] = u.new_v4, ['6'] = u.new_v6, ['7'] = u.new_v7 } do
    local id = make()
    test.matches(id, '^%x%x%x%x%x%x%x%x%-%x%x%x%x%-' .. version .. '%x%x%x%-[89ab]')
    test.equal(#id.bytes, 16)
    test.equal(u.parse(id.urn) == id, true)
    test.equal(tostring(make()) == tostring(id), false)
  end
  local id = u.parse '{C232AB00-9414-11EC-B3C8-9F6BDECED846}'
  test.equal({ id.simple, id.hyphenated, id.braced, id.urn }, {
    'c232ab00941411ecb3c89f6bdeced846',
    'c232ab00-9414-11ec-b3c8-9f6bdeced846',
    '{c232ab00-9414-11ec-b3c8-9f6bdeced846}',
    'urn:uuid:c232ab00-9414-11ec-b3c8-9f6bdeced846',
  })
  test.raises('is no UUID', u.parse, 'c232ab00-9414')
end)
