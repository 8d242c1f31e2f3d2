-- AUTH: accounts are rows of a database that the web application writes.
local kumo = require 'kumo'
local sqlite = require 'sqlite'
local settings = require 'platform.settings'

local accounts = {}

local DATABASE = settings.data_dir .. '/accounts.db'

function accounts.create_database()
  local db = sqlite.open(DATABASE)
  db:execute [[
    CREATE TABLE IF NOT EXISTS accounts (
      user TEXT PRIMARY KEY,
      tenant TEXT NOT NULL,
      salt TEXT NOT NULL,
      digest TEXT NOT NULL,
      disabled INTEGER NOT NULL DEFAULT 0
    )
  ]]
  db:close()
end

-- A customer who sends a thousand messages over as many connections costs one look-up a minute.
local find_account = kumo.memoize(function(user)
  local db = sqlite.open(DATABASE, 2000)
  local rows = db:execute('SELECT tenant, salt, digest, disabled FROM accounts WHERE user = ?', user)
  db:close()
  local row = rows[1]
  if row == nil or row.tenant == nil then
    return { unknown = true }
  end
  return row
end, {
  name = 'platform-accounts',
  ttl = '1 minute',
  capacity = 10000,
})

local function digest_of(salt, password)
  return kumo.digest.sha256(salt, password).hex
end

function accounts.auth_plain(authz, authc, password, conn_meta)
  if authz ~= authc then
    kumo.reject(535, '5.7.8 sending for somebody else is not allowed')
  end
  local account = find_account(authc:lower())
  if account.unknown or digest_of(account.salt, password) ~= account.digest then
    kumo.log_warn('authentication failed for', authc, 'from', conn_meta:get_meta 'received_from')
    return false
  end
  if account.disabled ~= 0 then
    kumo.reject(535, '5.7.13 the account is disabled')
  end
  -- From here the metadata of the connection says whose mail it is.
  conn_meta:set_meta('tenant', account.tenant)
  return true
end

return accounts
