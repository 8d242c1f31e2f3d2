--[[
What the data files of dkim_sign may say. Reads them into one table of plain values, and finds what is wrong.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {}

---@class policy-extras.dkim_sign.Block
---@field selector string?
---@field headers string[]?
---@field header_canonicalization ('Relaxed'|'Simple')?
---@field body_canonicalization ('Relaxed'|'Simple')?
---@field expiration integer? seconds
---@field over_sign boolean?
---@field policy string?
---@field algo ('sha256'|'ed25519')?
---@field filename string?
---@field domain string? of an additional signature

---@class policy-extras.dkim_sign.Data
---@field base table
---@field domain table<string, policy-extras.dkim_sign.Block>
---@field domain_map domain_map the same, by From domain
---@field signature table<string, policy-extras.dkim_sign.Block>

-- The function whose options these mostly are.
local MAKER = 'dkim.rsa_sha256_signer'

-- A check gives the text of what is wrong with a value, or nil.
local function one_of(...)
  local values = { ... }
  return function(value)
    if not utils.table_contains(values, value) then
      return ("expected '%s', got %s"):format(table.concat(values, "' or '"), utils.dumps(value))
    end
  end
end

local function text(value)
  if type(value) ~= 'string' then
    return ('expected a string, got a %s'):format(type(value))
  end
end

local function names(value)
  if not utils.is_walkable(value) then
    return ('expected a list of names, got a %s'):format(type(value))
  end
  for key, name in pairs(value) do
    if math.type(key) ~= 'integer' or type(name) ~= 'string' then
      return 'expected a list of names'
    end
  end
end

-- As the signer has it.
local function of_signer(name)
  return function(value)
    local wrong = kumo.policy.check_option(MAKER, name, value)
    return wrong and (wrong.message:gsub('^' .. name .. ': ', ''))
  end
end

local function headers(value)
  local wrong = of_signer 'headers'(value)
  if wrong then
    return wrong
  end
  for _, name in ipairs(value) do
    if name:lower() == 'from' then
      return nil
    end
  end
  return 'From has to be among them'
end

-- Options of [base] that [domain.*] and [signature.*] have too.
local COMMON = {
  selector = of_signer 'selector',
  headers = headers,
  header_canonicalization = of_signer 'header_canonicalization',
  body_canonicalization = of_signer 'body_canonicalization',
  expiration = of_signer 'expiration',
  over_sign = of_signer 'over_sign',
}

local function with(more)
  return utils.merge_into(more, utils.merge_into(COMMON, {}))
end

local BASE = with {
  vault_mount = text,
  vault_path_prefix = text,
  additional_signatures = names,
  policy = one_of 'Always',
}

local BLOCKS = {
  domain = with { policy = one_of 'Always', algo = one_of('sha256', 'ed25519'), filename = text },
  signature = with {
    policy = one_of('Always', 'OnlyIfMissingDomainBlock'),
    algo = one_of('sha256', 'ed25519'),
    filename = text,
    domain = text,
  },
}

local function did_you_mean(name, known)
  local near = kumo.policy.nearest_name(tostring(name), utils.sorted_keys(known))
  return near and (", did you mean '%s'?"):format(near) or ''
end

-- Copies the options of a block that are in order into `options`.
local function read_block(from, path, block, known, options, findings)
  if not utils.is_walkable(block) then
    findings:add(from, path, ('expected a table, got a %s'):format(type(block)))
    return
  end
  for name, value in pairs(block) do
    local place = { table.unpack(path) }
    place[#place + 1] = name
    local check = known[name]
    if not check and utils.is_walkable(value) then
      local advice = (' (a name with dots has to be quoted: [%s."%s.%s"])'):format(path[1], tostring(path[2]), tostring(name))
      findings:add(from, place, ("unknown option '%s'%s"):format(tostring(name), advice))
    elseif not check then
      findings:add(from, place, ("unknown option '%s'%s"):format(tostring(name), did_you_mean(name, known)))
    else
      local wrong = check(value)
      if wrong then
        findings:add(from, place, ("'%s': %s"):format(name, wrong))
      else
        options[name] = utils.deep_copy(value)
      end
    end
  end
end

-- Domains are compared without regard to case.
local function key_of(kind, name)
  return kind == 'domain' and tostring(name):lower() or tostring(name)
end

local function read_blocks(from, kind, blocks, data, findings)
  if not utils.is_walkable(blocks) then
    findings:add(from, { kind }, ('expected blocks such as [%s."name"], got a %s'):format(kind, type(blocks)))
    return
  end
  for name, block in pairs(blocks) do
    local key = key_of(kind, name)
    local options = data[kind][key] or {}
    data[kind][key] = options
    read_block(from, { kind, name }, block, BLOCKS[kind], options, findings)
  end
end

local function read_file(from, data, findings)
  for section, content in pairs(from.data) do
    if section == 'base' then
      read_block(from, { 'base' }, content, BASE, data.base, findings)
    elseif BLOCKS[section] then
      read_blocks(from, section, content, data, findings)
    else
      local advice = did_you_mean(section, { base = true, domain = true, signature = true })
      findings:add(from, { section }, ("unknown section '%s'%s"):format(tostring(section), advice))
    end
  end
end

--- Notes what is wrong with an option of a block, where the last of the files has that block.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@param kind 'domain'|'signature'
---@param name string
---@param option string
---@param why string
function mod.wrong(read, findings, kind, name, option, why)
  for i = #read, 1, -1 do
    local blocks = read[i].data[kind]
    for written in pairs(utils.is_walkable(blocks) and blocks or {}) do
      if key_of(kind, written) == name then
        findings:add(read[i], { kind, written, option }, why)
        return
      end
    end
  end
end

-- What only all files together can tell.
local function check_whole(read, data, findings)
  local function wrong(...)
    mod.wrong(read, findings, ...)
  end
  for _, kind in ipairs { 'domain', 'signature' } do
    for name, block in pairs(data[kind]) do
      if not (block.selector or data.base.selector) then
        wrong(kind, name, 'selector', 'there is no selector, here or in [base]')
      end
    end
  end
  for name, block in pairs(data.signature) do
    if not block.domain then
      wrong('signature', name, 'domain', 'there is no domain')
    end
  end
  for _, name in ipairs(data.base.additional_signatures or {}) do
    if not data.signature[name] then
      local from = data_files.last_with(read, { { 'base', 'additional_signatures' } })
      local advice = did_you_mean(name, data.signature)
      findings:add(from, { 'base', 'additional_signatures' }, ('there is no [signature."%s"]%s'):format(name, advice))
    end
  end
end

--- Puts together what the files say.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@return policy-extras.dkim_sign.Data
function mod.parse(read, findings)
  local data = { base = {}, domain = {}, signature = {} }
  for _, from in ipairs(read) do
    read_file(from, data, findings)
  end
  check_whole(read, data, findings)
  data.domain_map = kumo.domain_map.new(data.domain)
  return data
end

--- Names of the signatures that no list of additional signatures has.
---@param data policy-extras.dkim_sign.Data
---@return string[]
function mod.unreferenced(data)
  local unused = {}
  for _, name in ipairs(utils.sorted_keys(data.signature)) do
    if not utils.table_contains(data.base.additional_signatures or {}, name) then
      unused[#unused + 1] = name
    end
  end
  return unused
end

return mod
