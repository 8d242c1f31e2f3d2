--[[
From what the data files of dkim_sign say to the options of kumo.dkim: which signatures a message gets, and how each
is made.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

---@class policy-extras.dkim_sign.Recipe
---@field kind 'domain'|'signature'
---@field name string of the block
---@field make_signer fun(options: kumo.DkimSignerOptions): dkim_signer
---@field options kumo.DkimSignerOptions

local SIGNERS = {
  sha256 = kumo.dkim.rsa_sha256_signer,
  ed25519 = kumo.dkim.ed25519_signer,
}

-- RFC 6376 section 5.4.1, RFC 8058 section 4.
local HEADERS = {
  'From',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'Reply-To',
  'MIME-Version',
  'Content-Type',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
}

local function key_source(block, base, domain, selector)
  if base.vault_mount then
    local path = block.filename or ('%s/%s/%s'):format(base.vault_path_prefix or 'dkim', domain, selector)
    return { vault_mount = base.vault_mount, vault_path = path, vault_key = 'key' }
  end
  return block.filename or ('/opt/kumomta/etc/dkim/%s/%s.key'):format(domain, selector)
end

-- What a block does not say, [base] does; of over_sign either is enough, and algo is the block's own.
local function recipe(kind, name, block, base, domain)
  local selector = block.selector or base.selector
  return {
    kind = kind,
    name = name,
    make_signer = SIGNERS[block.algo or 'sha256'],
    options = {
      domain = domain,
      selector = selector,
      headers = block.headers or base.headers or HEADERS,
      header_canonicalization = block.header_canonicalization or base.header_canonicalization,
      body_canonicalization = block.body_canonicalization or base.body_canonicalization,
      expiration = block.expiration or base.expiration,
      over_sign = block.over_sign or base.over_sign or false,
      key = key_source(block, base, domain, selector),
    },
  }
end

local function additional(data, base, has_domain_block, list)
  for _, name in ipairs(base.additional_signatures or {}) do
    local block = utils.deep_copy(data.signature[name])
    if not (has_domain_block and block.policy == 'OnlyIfMissingDomainBlock') then
      list[#list + 1] = recipe('signature', name, block, base, block.domain)
    end
  end
  return list
end

--- The signatures of a message, in the order in which they are made.
---@param data policy-extras.dkim_sign.Data
---@param domain string of the From header, in lower case; '' for none
---@return policy-extras.dkim_sign.Recipe[]
function mod.for_domain(data, domain)
  local base = utils.deep_copy(data.base)
  local block = domain ~= '' and utils.deep_copy(data.domain_map[domain]) or nil
  local list = {}
  if block then
    list[1] = recipe('domain', domain, block, base, domain)
  end
  return additional(data, base, block ~= nil, list)
end

--- Every signature that can be made. Of a wildcard only with a key of its own: where it is otherwise, or in a Vault,
--- depends on the domain of the message.
---@param data policy-extras.dkim_sign.Data
---@return policy-extras.dkim_sign.Recipe[]
function mod.all(data)
  local list = {}
  for _, name in ipairs(utils.sorted_keys(data.domain)) do
    local block = data.domain[name]
    local is_wildcard = utils.starts_with(name, '*')
    if not is_wildcard or block.filename then
      local domain = is_wildcard and 'any' .. name:sub(2) or name
      list[#list + 1] = recipe('domain', name, block, data.base, domain)
    end
  end
  return additional(data, data.base, false, list)
end

return mod
