-- Small modules: serde, string, maps, uuid, digest, encode, crypto, files, file types, queues, counters.
local kumo = require 'kumo'
local test = require 'testing'
local s, serde = kumo.string, kumo.serde

test('serde: TOML and YAML', function(directory)
  local t = serde.toml_parse 'a = 1\nf = 1.0\nl = [1, 2]\n[s]\nk = "v"\n[[list]]\nx = true\n'
  test.equal({ t.a, t.f, t.l, t.s.k, t.list[1].x }, { 1, 1.0, { 1, 2 }, 'v', true })
  test.equal(serde.toml_parse(serde.toml_encode { a = { b = 1 }, l = { 'x' } }), { a = { b = 1 }, l = { 'x' } })
  for _, name in ipairs { 'toml_encode_pretty', 'toml_encode_pretty_compact' } do
    test.equal(serde.toml_parse(serde[name] { a = { b = 1 }, l = { 'x' } }), { a = { b = 1 }, l = { 'x' } })
  end
  local compact = serde.toml_encode_pretty_compact { b = 1, a = 2, e = {} }
  test.equal(compact:find 'a = 2' < compact:find 'b = 1', true)
  test.matches(compact, 'e = {}')
  local y = serde.yaml_parse 'a: 1\nl:\n  - x\n  - 1.5\n  - 2.0\nm: {k: null}\n'
  test.equal({ y.a, y.l, y.m.k }, { 1, { 'x', 1.5, 2.0 } })
  test.equal(serde.yaml_parse(serde.yaml_encode { a = { 1, 'x' } }), { a = { 1, 'x' } })
  test.raises('', serde.toml_parse, 'a = ')
  test.raises('', serde.yaml_parse, 'a: [')
  for name, content in pairs { ['a.json'] = '{"a": 1}', ['a.toml'] = 'a = 1', ['a.yaml'] = 'a: 1' } do
    local file = assert(io.open(directory .. '/' .. name, 'w'))
    file:write(content)
    file:close()
    test.equal(serde[name:match '%w+$' .. '_load'](directory .. '/' .. name), { a = 1 })
  end
  for _, name in ipairs { 'json_load', 'toml_load', 'yaml_load' } do
    test.raises(directory .. '/none', serde[name], directory .. '/none')
  end
  test.raises(directory .. '/a.toml', serde.json_load, directory .. '/a.toml')
end)

test('string: splitting', function()
  test.equal(s.split('a,b,,c', ','), { 'a', 'b', '', 'c' })
  test.equal(s.split('', ','), { '' })
  test.equal(s.split('a.b', '.'), { 'a', 'b' })
  test.equal(s.rsplit('a,b,c', ','), { 'c', 'b', 'a' })
  test.equal(s.splitn('a,b,c', 2, ','), { 'a', 'b,c' })
  test.equal(s.rsplitn('a,b,c', 2, ','), { 'c', 'a,b' })
  test.equal(s.splitn('a,b,c', 9, ','), { 'a', 'b', 'c' })
  test.equal(s.split_whitespace ' a\u{2003}b\n c ', { 'a', 'b', 'c' })
  test.equal(s.split_ascii_whitespace ' a\u{2003}b c ', { 'a\u{2003}b', 'c' })
  test.equal(s.split_whitespace '  ', {})
end)

test('string: replacing, trimming, ends', function()
  test.equal({ s.replace('a.b.c', '.', '-'), s.replacen('a.b.c', '.', '-', 1), s.replace('abc', 'x', 'y') }, { 'a-b-c', 'a-b.c', 'abc' })
  test.equal({ s.trim '\u{2003} a \n', s.trim_start ' a ', s.trim_end ' a ' }, { 'a', 'a ', ' a' })
  test.equal({ s.starts_with('\xffab', '\xff'), s.ends_with('abc', 'bc'), s.starts_with('abc', 'b'), s.ends_with('a', 'aa') }, { true, true, false, false })
end)

test('string: public suffixes', function()
  test.equal({ s.psl_domain 'a.B.example.CO.uk', s.psl_suffix 'a.example.co.uk', s.psl_domain 'co.uk', s.psl_suffix 'com' }, { 'example.co.uk', 'co.uk', nil, 'com' })
end)

test('string: folding', function()
  local text = ('word '):rep(30)
  local folded = s.wrap(text)
  for line in folded:gmatch '[^\r\n]+' do test.equal(#line <= 76, true) end
  test.matches(folded, '\r\n\t')
  test.equal((folded:gsub('%s+', ' ')), (text:gsub('%s+$', '')))
  test.equal(s.wrap 'short  ', 'short')
  test.matches(s.wrap(('x'):rep(40), 10, 20), '\r\n\t')
end)

test('domain_map', function()
  local map = kumo.domain_map.new { ['example.com'] = 'exact', ['*.example.com'] = 'below', ['x.y.example.com'] = 'deep' }
  test.equal({ map['example.com'], map['a.example.com'], map['a.b.example.com'], map['x.y.example.com'] }, { 'exact', 'below', 'below', 'deep' })
  test.equal({ map['y.example.com'], map['q.y.example.com'], map['Example.com'], map['com'], map['other.com'] }, {})
  map['new.example'] = { a = 1 }
  test.equal({ type(map['new.example']), map['new.example'].a }, { 'userdata', 1 })
  local seen = {}
  for k, v in pairs(map) do seen[k] = v end
  test.equal({ seen['example.com'], seen['*.example.com'], seen['x.y.example.com'] }, { 'exact', 'below', 'deep' })
  local all = kumo.domain_map.new()
  all['*'] = 1
  test.equal({ all['anything.at.all'], all['tld'] }, { 1, 1 })
  test.raises('', function() all['x'] = print end)
end)

test('cidr map', function()
  local map = kumo.cidr.make_map { ['10.0.0.0/8'] = 'ten', ['192.0.2.7'] = 'one', ['2001:db8::/32'] = 'six' }
  test.equal({ map['10.1.2.3'], map['192.0.2.7'], map['192.0.2.8'], map['2001:db8::5'] }, { 'ten', 'one', nil, 'six' })
  test.equal({ map['10.1.2.3:25'], map['[2001:db8::5]:25'] }, { 'ten', 'six' })
  map['172.16.0.0/12'] = { a = 1 }
  test.equal(map['172.16.5.5'].a, 1)
  local count = 0
  for _ in pairs(map) do count = count + 1 end
  test.equal(count, 4)
  test.raises('', kumo.cidr.make_map, { ['10.0.0.1/8'] = 1 })
  test.raises('', function() return map['not an address'] end)
  test.raises('', function() map['x'] = 1 end)
end)

test('regex_set_map', function()
  local map = kumo.regex_set_map.new { ['^foo'] = 'f', ['bar$'] = { a = 1 }, ['mid'] = 3 }
  test.equal({ map['foo1'], map['xbar'].a, map['amidst'], map['none'] }, { 'f', 1, 3 })
  test.raises('', function() map['x'] = 1 end)
  test.raises('', kumo.regex_set_map.new, { ['('] = 1 })
  test.raises('', kumo.regex_set_map.new, { ['(?=a)'] = 1 })
end)

test('uuid', function()
  local u = kumo.uuid.parse '67E55044-10B1-426F-9247-BB680E5FE0C8'
  test.equal({ u.hyphenated, u.simple, u.braced, u.urn, tostring(u) }, {
    '67e55044-10b1-426f-9247-bb680e5fe0c8', '67e5504410b1426f9247bb680e5fe0c8', '{67e55044-10b1-426f-9247-bb680e5fe0c8}',
    'urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8', '67e55044-10b1-426f-9247-bb680e5fe0c8',
  })
  test.equal(kumo.encode.hex_encode(u.bytes), u.simple)
  test.equal({ kumo.uuid.parse(u.simple).simple, kumo.uuid.parse(u.braced).simple, kumo.uuid.parse(u.urn).simple }, { u.simple, u.simple, u.simple })
  for version, make in pairs { ['1'] = kumo.uuid.new_v1, ['4'] = kumo.uuid.new_v4, ['6'] = kumo.uuid.new_v6, ['7'] = kumo.uuid.new_v7 } do
    local made = make()
    test.equal({ version, made.hyphenated:sub(15, 15), made.hyphenated:match '^%x+%-%x+%-%x+%-[89ab]%x+%-%x+$' ~= nil }, { version, version, true })
    test.equal(tostring(made) ~= tostring(make()), true)
  end
  test.raises('', kumo.uuid.parse, 'x')
end)

local sums = {
  sha1 = 'aea48fbb4c32c365f83da4b8cf60d912a61bfd85',
  sha224 = '2c207d266eebb0a8d02794276799dcc1130d8baaadf46bac01e60121',
  sha256 = 'b4777ea2b34ecb1ac781882edd2769a0b1369670f0b23f0b218119b078435e57',
  sha384 = 'f34313fd3c2adb06f6b380abc37e0e0f869af2077b1974409db728ff966770c4f6c333877fb39cc33e6f70fc7e527057',
  sha512 = 'f1306545a76c29d6f7fe5d118842e1a3431cd64b6df69c10fe9cf7bb5b019760fe9f3d4fd78af11d9ab2d9e8e0381b2b6bf56e511d42616d6d2b07de3d393004',
  sha512_256 = 'b5aa2313696d564055c37019287f688dd1846fac54c4418b6eb9a76e867996d0',
  sha3_256 = '59ca35b9b2348f8cbbc9d2c60d01ad35fe34eb3bb3dbdf6df950950d506c21c9',
  sha3_384 = '2779dc39e42448451540cfd917c4be3d173ee99a4346a35b0dc2f7d57f2ee441177981c1bf25de5e2d0474aeced7296f',
  sha3_512 = '722b245793715daff26d21924a0f9de7e5d8bdfd3c8bce56b6b9cf32417a5aa787643980585e45554d3bbd7bebbaff6f7fc62e62583d683cf3e8f731b7c4fc9e',
  crc32 = 'de2a94b9',
}

test('digest: arguments are put together, what is no text as JSON', function()
  for name, hex in pairs(sums) do
    local r = kumo.digest[name]('a', 1, { x = { 1, 2 } }, true, nil)
    test.equal({ name, tostring(r), r.hex }, { name, hex, hex })
  end
end)

test('digest: forms', function()
  local r = kumo.digest.sha1 'abc'
  test.equal({ r.hex, #r.bytes, r.base32, r.base64 }, { 'a9993e364706816aba3e25717850c26c9cd0d89d', 20, 'VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5', 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=' })
  test.equal({ r.base64_nopad, r.base64url, r.base64url_nopad }, { 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0', 'qZk-NkcGgWq6PiVxeFDCbJzQ2J0=', 'qZk-NkcGgWq6PiVxeFDCbJzQ2J0' })
  test.equal({ type(r.base32hex), type(r.base32_nopad), type(r.base32hex_nopad) }, { 'string', 'string', 'string' })
  test.equal(kumo.digest.crc32('abc').base64, 'NSRBwg==')
end)

local macs = {
  hmac_sha1 = '104152c5bfdca07bc633eebd46199f0255c9f49d',
  hmac_sha224 = '19424d4210e50d7a4521b5f0d54b4b0cff3060deddccfd894fda5b3b',
  hmac_sha256 = '5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0',
  hmac_sha384 = 'c5f97ad9fd1020c174d7dc02cf83c4c1bf15ee20ec555b690ad58e62da8a00ee44ccdb65cb8c80acfd127ebee568958a',
  hmac_sha512 = '3c5953a18f7303ec653ba170ae334fafa08e3846f2efe317b87efce82376253cb52a8c31ddcde5a3a2eee183c2b34cb91f85e64ddbc325f7692b199473579c58',
}

test('digest: keys come first, and a text is the name of a file', function(directory)
  for name, hex in pairs(macs) do
    test.equal({ name, tostring(kumo.digest[name]({ key_data = 'key' }, 'data')) }, { name, hex })
  end
  local file = assert(io.open(directory .. '/key', 'w'))
  file:write 'key'
  file:close()
  test.equal(kumo.digest.hmac_sha1(directory .. '/key', 'data').hex, macs.hmac_sha1)
  test.raises('key', kumo.digest.hmac_sha1, directory .. '/no key', 'data')
end)

test('encode', function()
  local e, bytes = kumo.encode, '\xfb\xff\xfe\1'
  test.equal({ e.base64_encode(bytes), e.base64url_encode(bytes), e.base32_encode(bytes), e.base32hex_encode(bytes), e.hex_encode(bytes) },
    { '+//+AQ==', '-__-AQ==', '7P774AI=', 'VFVVS08=', 'fbfffe01' })
  test.equal({ e.base64_nopad_encode(bytes), e.base64url_nopad_encode(bytes), e.base32_nopad_encode(bytes), e.base32hex_nopad_encode(bytes) },
    { '+//+AQ', '-__-AQ', '7P774AI', 'VFVVS08' })
  for _, name in ipairs { 'base64', 'base64url', 'base32', 'base32hex' } do
    for _, pad in ipairs { '', '_nopad' } do
      test.equal(e[name .. pad .. '_decode'](e[name .. pad .. '_encode'](bytes)), bytes)
    end
    local padded = e[name .. '_encode'](bytes)
    test.equal({ name, e[name .. '_decode']((padded:gsub('=', ''))) }, { name, bytes })
    test.raises('', e[name .. '_nopad_decode'], padded)
    test.raises('', e[name .. '_decode'], '!!!!')
  end
  test.equal(e.base64_decode 'YQ=', 'a')
  test.equal(e.hex_decode 'fbff', '\xfb\xff')
  for _, wrong in ipairs { 'FBFF', 'f', 'zz' } do test.raises('', e.hex_decode, wrong) end
  test.equal({ e.charset_decode('iso-8859-1', 'Gr\xf6\xdfe'), e.charset_encode('iso-8859-1', 'Größe') }, { 'Größe', 'Gr\xf6\xdfe' })
  test.raises('', e.charset_decode, 'no-such-charset', 'x')
  test.raises('', e.charset_encode, 'no-such-charset', 'x')
  test.raises('', e.charset_encode, 'iso-8859-1', '日', false)
  test.equal(type(e.charset_encode('iso-8859-1', 'a日')), 'string')
end)

test('crypto: blocks', function()
  local key = { key = { key_data = ('k'):rep(16) } }
  local long = { key = { key_data = ('k'):rep(32) } }
  for _, mode in ipairs { 'Cbc', 'Ecb' } do
    for _, options in ipairs { key, long } do
      local sealed = kumo.crypto.aes_encrypt_block(mode, 'secret\xff', options)
      test.equal({ type(sealed), #sealed }, { 'string', mode == 'Cbc' and 32 or 16 })
      test.equal(kumo.crypto.aes_decrypt_block(mode, sealed, options).bytes, 'secret\xff')
    end
  end
  test.raises('', kumo.crypto.aes_encrypt_block, 'Cbc', 'x', { key = { key_data = 'short' } })
  test.raises('', kumo.crypto.aes_encrypt_block, 'Ctr', 'x', key)
end)

test('files', function(directory)
  local path = directory .. '/a.txt'
  local file = kumo.fs.open(path, 'w')
  file:write 'hello\xff\nworld'
  file:flush()
  file:close()
  file = kumo.fs.open(path)
  test.equal({ file:read(5), file:read() }, { 'hello', '\xff\nworld' })
  file:seek('set', 6)
  test.equal(file:read(), '\nworld')
  file:close()
  test.raises('', file.read, file)
  test.raises('none', kumo.fs.open, directory .. '/none')
  test.raises('', kumo.fs.open, path, 'what')
  test.equal(kumo.fs.read_dir(directory), { path })
  test.equal({ kumo.fs.glob(directory .. '/*.txt'), kumo.fs.uncached_glob('*.txt', directory) }, { { path }, { 'a.txt' } })
  test.equal(kumo.fs.uncached_glob(directory .. '/*.none'), {})
  local facts = kumo.fs.metadata_for_path(path)
  test.equal({ facts.is_file, facts.is_dir, facts.len, facts.readonly, facts.mtime.year >= 2024 }, { true, false, 12, false, true })
  for _, field in ipairs { 'dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blksize', 'blocks' } do
    test.equal({ field, math.type(facts[field]) }, { field, 'integer' })
  end
  test.raises('', kumo.fs.metadata_for_path, directory .. '/none')
  test.equal(kumo.fs.symlink_metadata_for_path(directory).is_dir, true)
end)

test('file types', function()
  local png = kumo.file_type.from_bytes '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'
  test.equal({ type(png.name), png.extensions[1], png.media_types[1] }, { 'string', 'png', 'image/png' })
  test.equal(kumo.file_type.from_extension('pdf')[1].media_types[1], 'application/pdf')
  test.equal(kumo.file_type.from_media_type('application/pdf')[1].extensions[1], 'pdf')
  test.equal({ kumo.file_type.from_extension 'zzz', kumo.file_type.from_media_type 'no/such' }, { {}, {} })
end)

test('mpsc', function()
  local q = kumo.mpsc.define('reference mpsc', 2)
  test.equal({ q:is_empty(), q:len(), q:try_recv(), q:try_send { a = 1 }, q:try_send 'b', q:try_send 'c' }, { true, 0, nil, true, true, false })
end)

test('mpsc: order, batches, the end', function()
  local q = kumo.mpsc.define 'reference mpsc 2'
  for i = 1, 5 do q:send(i) end
  test.equal({ q:recv(), q:recv_many(3), q:recv_many(10), q:try_recv() }, { 1, { 2, 3, 4 }, { 5 } })
  q:send_timeout('x', 1)
  q:close()
  test.equal({ q:is_closed(), q:recv(), q:recv() }, { true, 'x' })
  test.raises('', q.send, q, 'y')
  test.raises('', kumo.mpsc.define('reference mpsc 3').send, kumo.mpsc.define 'reference mpsc 3', print)
end)

test('counter series', function()
  local shape = { name = 'reference series', num_buckets = 5, bucket_size = '1s 500ms', initial_value = 2 }
  local c = kumo.counter_series.define(shape)
  c:increment(3)
  c:delta(-1)
  test.equal({ c:sum(), c:sum_over '10s', kumo.counter_series.define(shape):sum() }, { 4, 4, 4 })
  c:observe(10)
  test.equal(c:sum(), 10)
  for _, wrong in ipairs { 0, 256, -1, 1.5 } do
    test.raises('', kumo.counter_series.define, { name = 'w', num_buckets = wrong, bucket_size = 1 })
  end
end)
