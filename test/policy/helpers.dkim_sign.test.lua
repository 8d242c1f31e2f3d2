local kumo = require 'kumo'
local test = require 'testing'

-- Keys of these tests alone: Ed25519 of RFC 8463 appendix A, and RSA of 1024 bits.
local directory = package.searchpath('testing', package.path):match '^(.*)/'
local ed25519_key = directory .. '/dkim/ed25519.key'
local rsa_key = directory .. '/dkim/rsa.key'

-- Each use has a module of its own, as if it were in a policy of its own.
local function fresh()
  package.loaded['policy-extras.dkim_sign'] = nil
  return require 'policy-extras.dkim_sign'
end

local function message(from)
  return kumo.make_message('a@example.com', 'b@example.org', ('From: %s\r\nSubject: hi\r\n\r\nbody\r\n'):format(from))
end

-- What the signatures say, those made last first, as lists of `tag=value`.
local function signatures(msg, ...)
  local list = {}
  for i, value in ipairs(msg:get_all_named_header_values 'DKIM-Signature') do
    local tags = {}
    for tag, text in value:gsub('%s+', ''):gmatch '(%a+)=([^;]*)' do
      tags[tag] = text
    end
    local shown = {}
    for j, tag in ipairs { ... } do
      shown[j] = tags[tag] or '-'
    end
    list[i] = table.concat(shown, ' ')
  end
  return list
end

local sign = fresh():setup {
  { base = { selector = 'base', headers = { 'From', 'Subject' }, additional_signatures = { 'platform', 'always' } } },
  {
    domain = {
      ['Example.COM'] = { filename = ed25519_key, algo = 'ed25519' },
      ['*.example.com'] = { filename = rsa_key, selector = 'wild', expiration = 60, over_sign = true },
    },
  },
  {
    signature = {
      platform = {
        domain = 'platform.example',
        policy = 'OnlyIfMissingDomainBlock',
        filename = rsa_key,
        headers = { 'From', 'To' },
      },
      always = { domain = 'always.example', filename = ed25519_key, selector = 'x' },
    },
  },
}

test('the domain of From signs, then the additional signatures', function()
  local msg = message 'Joe <joe@EXAMPLE.com>'
  sign(msg)
  test.equal(signatures(msg, 'd', 's', 'a', 'h', 'c'), {
    'always.example x ed25519-sha256 From:Subject relaxed/relaxed',
    'example.com base ed25519-sha256 From:Subject relaxed/relaxed',
  })
end)

test('a wildcard signs for the domain of the message', function()
  local msg = message 'a@b.c.example.com'
  sign(msg)
  test.equal(signatures(msg, 'd', 's', 'a', 'h'), {
    'always.example x ed25519-sha256 From:Subject',
    'b.c.example.com wild rsa-sha256 From:From:Subject:Subject',
  })
  local stamp = signatures(msg, 't', 'x')[2]
  local made, ends = stamp:match '(%d+) (%d+)'
  test.equal(math.tointeger(ends) - math.tointeger(made), 60)
end)

test('a domain without block has the additional signatures, also those for that case', function()
  for _, from in ipairs { 'a@other.example', 'a@[192.0.2.1]', 'nobody:;', 'a@example.org, b@example.com' } do
    local msg = message(from)
    sign(msg)
    test.equal(signatures(msg, 'd', 'h'), { 'always.example From:Subject', 'platform.example From:To' })
  end
end)

test('mail without From, and with one that cannot be read, is refused', function()
  local msg = kumo.make_message('a@example.com', 'b@example.org', 'Subject: hi\r\n\r\nbody\r\n')
  local ok, err = pcall(sign, msg)
  test.equal(ok, false)
  test.matches(err, '552')
  test.matches(err, '5%.6%.0 DKIM signing requires a From header, but it is not present')
  ok, err = pcall(sign, message '<a@')
  test.equal(ok, false)
  test.matches(err, '5%.6%.0 DKIM signing requires a From header, but that of this message cannot be read')
end)

local unsigned = fresh():setup { { domain = { ['example.com'] = { selector = 's', filename = ed25519_key } } } }

test('without a matching block and additional signatures mail goes unsigned', function()
  local msg = message 'a@example.net'
  unsigned(msg)
  test.equal(signatures(msg, 'd'), {})
end)

local inherited = fresh():setup {
  {
    base = {
      selector = 's',
      header_canonicalization = 'Simple',
      body_canonicalization = 'Simple',
      over_sign = true,
      expiration = 10,
    },
    domain = { ['a.example'] = { filename = rsa_key, algo = 'ed25519' } },
  },
  { domain = { ['a.example'] = { selector = 'later', over_sign = false, body_canonicalization = 'Relaxed' } } },
}

test('later files win, option by option; over_sign of base stays; the key has the last word about the algorithm', function()
  local msg = message 'a@a.example'
  inherited(msg)
  local first = signatures(msg, 'd', 's', 'a', 'c', 'h')[1]
  test.equal(first:match '^(.- From:From):', 'a.example later rsa-sha256 simple/relaxed From:From')
end)

-- A policy of its own for each mistake; setup is for the top of the policy.
local function problem(...)
  local ok, err = pcall(fresh().setup, fresh(), { ... })
  return ok and '' or tostring(err)
end

local missing_key = fresh():setup { { domain = { ['example.com'] = { selector = 's' } } } }
local ok_twice, twice = pcall(function()
  local helper = fresh()
  helper:setup {}
  helper:setup {}
end)
local bad_toml = directory .. '/dkim/mistakes.toml'
local problems = {
  file = problem(bad_toml),
  no_selector = problem { domain = { ['a.example'] = {} } },
  no_signature = problem { base = { selector = 's', additional_signatures = { 'platfrom' } }, signature = { platform = { domain = 'x' } } },
  vault_key = problem { base = { vault_key = 'x' } },
  section = problem { domains = {} },
  types = problem { base = { expiration = '1 day', over_sign = 'yes', headers = 'From', additional_signatures = 'x' } },
  none = problem({}, { base = {} }, { domain = {} }),
  no_file = problem(directory .. '/no such file.toml'),
}

test('a second setup is an error', function()
  test.equal(ok_twice, false)
  test.matches(twice, 'dkim_sign module has already been configured')
end)

test('mistakes in a file are told all at once, by file, line and block', function()
  local text = problems.file
  for _, part in ipairs {
    bad_toml .. ":3:1: [base] unknown option 'slector', did you mean 'selector'?",
    bad_toml .. ":6:1: [domain.\"a.example\"] 'headers': From has to be among them",
    bad_toml .. ":7:1: [domain.\"a.example\"] 'algo': expected 'sha256' or 'ed25519', got \"md5\"",
    "[domain.b] unknown option 'example' (a name with dots has to be quoted: [domain.\"b.example\"])",
    "[signature.s] 'policy': expected 'Always' or 'OnlyIfMissingDomainBlock', got \"Sometimes\"",
    '[signature.s] there is no domain',
  } do
    test.equal({ part, text:find(part, 1, true) ~= nil, text }, { part, true, text })
  end
end)

test('other mistakes', function()
  test.matches(problems.no_selector, '%[domain%."a%.example"%] there is no selector, here or in %[base%]')
  test.matches(problems.no_signature, 'there is no %[signature%."platfrom"%], did you mean \'platform\'%?')
  test.matches(problems.vault_key, "unknown option 'vault_key'")
  test.matches(problems.section, "unknown section 'domains', did you mean 'domain'%?")
  test.matches(problems.types, "'expiration': expected an integer")
  test.matches(problems.types, "'over_sign': expected true or false")
  test.matches(problems.types, "'headers': expected a list")
  test.matches(problems.types, "'additional_signatures': expected a list of names")
  test.matches(problems.no_file, 'no such file%.toml: ')
  test.equal(problems.none, '')
end)

test('a key that is missing names its file', function()
  test.raises('/opt/kumomta/etc/dkim/example.com/s.key: there is no such file', missing_key, message 'a@example.com')
end)
