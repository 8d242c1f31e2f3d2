-- kumo.http.
local kumo = require 'kumo'
local test = require 'testing'

local function asked(response) return kumo.serde.json_parse(response:text()) end

test('client options', function(_, url)
  test.raises('', kumo.http.build_client)
  for _, options in ipairs {
    {}, { user_agent = 'ua/1', timeout = '5s', pool_idle_timeout = 10.5, connection_verbose = true, accept_invalid_certs = true },
    { timeout = '1 minute' }, { timeout = 5.0 }, { no_such_option = 1 },
  } do
    local client = kumo.http.build_client(options)
    test.equal(client:get(url):send():status_code(), 200)
    client:close()
  end
  test.equal(asked(kumo.http.build_client({ user_agent = 'ua/1' }):get(url):send()).headers['user-agent'], 'ua/1')
  test.raises('timeout', kumo.http.build_client, { timeout = 'soon' })
end)

test('methods of requests', function(_, url)
  local client = kumo.http.build_client {}
  for _, method in ipairs { 'get', 'post', 'put' } do
    local a = asked(client[method](client, url .. '/p?q=1'):send())
    test.equal({ a.method, a.path }, { method:upper(), '/p?q=1' })
  end
  test.raises('', function() client:get('not a url'):send() end)
end)

test('a request is built in a chain', function(_, url)
  local client = kumo.http.build_client {}
  local a = asked(client:post(url):header('X-A', 'one'):headers({ ['X-B'] = 'two', ['X-C'] = 'three' }):basic_auth('user', 'pass')
    :timeout('5s'):body('grö'):send())
  test.equal({ a.headers['x-a'], a.headers['x-b'], a.headers['x-c'] }, { 'one', 'two', 'three' })
  test.equal(a.headers.authorization, 'Basic ' .. kumo.encode.base64_encode 'user:pass')
  test.equal(kumo.encode.charset_encode('iso-8859-1', a.body), 'grö')
  test.equal(asked(client:get(url):basic_auth('user'):send()).headers.authorization, 'Basic ' .. kumo.encode.base64_encode 'user:')
  test.equal(asked(client:get(url):bearer_auth('token'):send()).headers.authorization, 'Bearer token')
  a = asked(client:get(url):timeout(2.5):send())
  test.equal(a.method, 'GET')
end)

test('steps may be statements, and a request is sent once', function(_, url)
  local request = kumo.http.build_client({}):post(url)
  request:header('X-A', 'one')
  request:body 'text'
  local a = asked(request:send())
  test.equal({ a.headers['x-a'], a.body }, { 'one', 'text' })
  test.raises('', request.send, request)
end)

test('forms', function(_, url)
  local client = kumo.http.build_client {}
  local a = asked(client:post(url):form_url_encoded({ ['a b'] = 'c&d' }):send())
  test.equal({ a.body, a.headers['content-type']:match '^[^;]+' }, { 'a+b=c%26d', 'application/x-www-form-urlencoded' })
  a = asked(client:post(url):form_multipart_data({ text = 'v', file = { data = '\1\2\xff', file_name = 'a.bin' } }):send())
  test.matches(a.headers['content-type'], '^multipart/form%-data; ?boundary=')
  test.matches(a.body, 'name="text"\r\n.-\r\nv\r\n')
  test.matches(a.body, 'name="file"; filename="a.bin"\r\n')
end)

test('answers', function(_, url)
  local client = kumo.http.build_client {}
  local r = client:get(url):send()
  test.equal({ r:status_code(), r:status_reason(), r:status_is_success(), r:status_is_informational(), r:status_is_redirection(),
    r:status_is_client_error(), r:status_is_server_error() }, { 200, 'OK', true, false, false, false, false })
  local headers = r:headers()
  test.equal({ headers['X-ECHO'], headers['x-echo'], headers['no-such'] }, { 'Yes', 'Yes' })
  local seen = {}
  for name, value in pairs(headers) do seen[name:lower()] = value end
  test.equal(seen['x-echo'], 'Yes')
  test.equal(type(r:text()), 'string')
  test.equal(client:get(url .. '/octets'):send():bytes(), 'hi\xff\0')
  local missing = client:get(url .. '/status/404'):send()
  test.equal({ missing:status_code(), missing:status_is_client_error(), missing:status_is_success() }, { 404, true, false })
  test.equal(client:get(url .. '/status/503'):send():status_is_server_error(), true)
  local length = client:get(url):send():content_length()
  test.equal(length == nil or math.type(length) == 'integer', true)
end)

test('failures raise', function(_, url)
  local client = kumo.http.build_client { timeout = '50ms' }
  test.raises('', function() client:get(url .. '/silent'):send() end)
  test.raises('', function() kumo.http.build_client({}):get('http://127.0.0.1:1/'):send() end)
  test.raises('', function() kumo.http.build_client({}):get(url .. '/silent'):timeout(0.05):send() end)
end)

test('build_url', function()
  local built = kumo.http.build_url('http://x.example/p', { ['a b'] = 'c&d', n = '1' })
  test.matches(built, '^http://x%.example/p%?')
  test.matches(built, 'a%+b=c%%26d')
  test.matches(built, 'n=1')
  test.matches(kumo.http.build_url('http://x.example/?k=v', { n = '1' }), 'k=v&n=1')
end)
