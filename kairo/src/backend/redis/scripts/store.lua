-- What every script on an opened store begins with: whose keys these are, and reading arguments.
-- KEYS[1] is the hash of the store's single values; its other keys stand beside it.
local meta = KEYS[1]
local home = string.sub(meta, 1, -5)

local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end

local function take_count()
  return tonumber(take())
end

-- Whoever was connected to a store that is gone must not begin another one in its place.
local store = redis.call('HMGET', meta, 'store', 'sequence', 'gone')
if store[1] ~= take() then
  return redis.error_reply('KAIROGONE the store has been removed or migrated since it was opened')
end
local sequence = tonumber(store[2])
-- Whether any stream has lost events: until then nobody asks for which.
local any_gone = store[3]
