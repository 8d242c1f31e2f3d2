--[[
Signs mail with DKIM, as data files say: one signature of the domain in the From header, and any number of additional
ones, such as that of the sending platform.

    local dkim_sign = require 'policy-extras.dkim_sign'
    local sign = dkim_sign:setup { '/etc/moonpost/policy/dkim.toml', '/etc/moonpost/policy/dkim_customers.toml' }

    kumo.on('smtp_server_message_received', function(msg)
      -- Last: whatever changes the message after this breaks the signatures.
      sign(msg)
    end)

A file, in TOML (by the end of its name) or JSON:

    [base]
    # What holds where a block below says nothing.
    selector = "s2026"
    headers = ["From", "To", "Subject", "Date", "Message-ID", "Reply-To"]
    header_canonicalization = "Relaxed"      # or "Simple"
    body_canonicalization = "Relaxed"
    expiration = 1209600                     # seconds; without it signatures do not expire
    over_sign = true                         # nobody can add a header of these names
    additional_signatures = ["platform"]     # made for all mail, in this order
    # Keys in a HashiCorp Vault instead of files, in the field `key`; see VAULT_ADDR and VAULT_TOKEN.
    # vault_mount = "secret"
    # vault_path_prefix = "dkim"

    # Mail with a From header of this domain. The key is in /opt/kumomta/etc/dkim/example.com/s2026.key.
    [domain."example.com"]

    # All names below example.org; d= is the domain of the From header.
    [domain."*.example.org"]
    selector = "s1"
    algo = "ed25519"                         # sha256 (RSA) when not given
    filename = "/etc/moonpost/dkim/example.org.key"

    [signature."platform"]
    domain = "mail.platform.example"
    policy = "OnlyIfMissingDomainBlock"      # or "Always", which is the default
    filename = "/etc/moonpost/dkim/platform.key"

Options may be split over files at will: [base] into one, domains into others. Where files name the same block, its
options are put together, and the later file wins. A From domain without block is signed by the additional signatures
alone; without any, mail goes unsigned.

A changed file, and a changed key file, take effect within two seconds for the next message. A bad edit changes
nothing: the status of the policy says file, line and reason. `moonpost --validate` also reads every key.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local recipes = require 'policy-extras.dkim_sign.recipes'
local schema = require 'policy-extras.dkim_sign.schema'

---@class policy-extras.dkim_sign
---@field CONFIGURED boolean?
local mod = {}

local NO_FROM = '5.6.0 DKIM signing requires a From header, but it is not present in this message'
local BAD_FROM = '5.6.0 DKIM signing requires a From header, but that of this message cannot be read'

-- Domains whose options a Lua state keeps at hand; wildcards have no end of them.
local MOST_KNOWN = 1000

-- Signatures are made in this order.
local function make(msg, wanted)
  for _, recipe in ipairs(wanted) do
    msg:dkim_sign(recipe.make_signer(recipe.options))
  end
end

-- The domain of the first address in From; '' when there is none to sign for. Refuses a message without From.
local function from_domain(msg)
  local ok, header = pcall(msg.from_header, msg)
  if not ok then
    -- Where it was the message that could not be read, this raises the same.
    msg:get_first_named_header_value 'From'
    kumo.reject(552, BAD_FROM)
  end
  if not header then
    kumo.reject(552, NO_FROM)
  end
  local first = header.list[1]
  local domain = first and first.domain:lower() or ''
  -- An address literal is no name for the DNS.
  return domain:sub(1, 1) == '[' and '' or domain
end

-- Every key is read, and every option tried, the way a message would.
local function check(files, findings)
  local read = data_files.read(files)
  local data = schema.parse(read, findings)
  if #findings.errors > 0 then
    return
  end
  for _, recipe in ipairs(recipes.all(data)) do
    local ok, problem = pcall(recipe.make_signer, recipe.options)
    if not ok then
      local why = tostring(problem):gsub('^.-: kumo%.dkim%.[%w_]+: ', '')
      schema.wrong(read, findings, recipe.kind, recipe.name, 'filename', why)
    end
  end
  for _, name in ipairs(schema.unreferenced(data)) do
    local why = 'no additional_signatures in [base] names it, so that it is never used'
    schema.wrong(read, findings, 'signature', name, 'domain', why)
  end
end

--- Reads the data files. Call it once, at the top of the policy.
---@param files string|(string|table)[] names of TOML and JSON files; a table stands for what a file says
---@return fun(msg: message) sign to be called last in the events that receive mail
function mod:setup(files)
  data_files.configure_once(self, 'dkim_sign')
  files = data_files.file_list(files, 'dkim_sign:setup')
  local data = data_files.follow(data_files.loader('dkim_signing_data', schema.parse), files)
  data_files.on_validate(function(findings)
    check(files, findings)
  end)

  local known, count = {}, 0
  return function(msg)
    local domain = from_domain(msg)
    local wanted = known[domain]
    if not wanted then
      wanted = recipes.for_domain(data(), domain)
      if count >= MOST_KNOWN then
        known, count = {}, 0
      end
      known[domain] = wanted
      count = count + 1
    end
    make(msg, wanted)
  end
end

return mod
