-- Changes the places of subscriptions as their caller has planned it, which holds while nobody else
-- has changed what it saw; what it changes is answered.
local revision, letter_revision = take(), take()
if redis.call('HGET', meta, 'revision') ~= revision then
  return 'stale'
end

-- Gives letters to another subscription; their first bytes change with them.
local function move_letters(old, new)
  for _, place in ipairs(redis.call('ZRANGE', home .. 'letters-of:' .. old, 0, -1)) do
    local id = string.sub(place, 9)
    local blob = redis.call('HGET', letters, id)
    local letter = letter_of(blob)
    local length = string.char(math.floor(#new / 256), #new % 256)
    local before = string.sub(blob, 17, letter.subscription_at - 1)
    put_letter(id, letter_revision .. before .. length .. new .. string.sub(blob, letter.rest_at))
  end
end

local function rename(old, new)
  redis.call('RENAME', home .. 'subscription:' .. old, home .. 'subscription:' .. new)
  if redis.call('EXISTS', home .. 'parked:' .. old) == 1 then
    redis.call('RENAME', home .. 'parked:' .. old, home .. 'parked:' .. new)
  end
  if redis.call('SREM', home .. 'marked', old) == 1 then
    redis.call('RENAME', home .. 'marks:' .. old, home .. 'marks:' .. new)
    redis.call('RENAME', home .. 'marks-at:' .. old, home .. 'marks-at:' .. new)
    redis.call('SADD', home .. 'marked', new)
  end
  redis.call('SREM', home .. 'subscriptions', old)
  move_letters(old, new)
end

local changes = {}
for index = 1, take_count() do
  local change = { name = take(), old = take(), forget = take(), fields = {}, gone = {} }
  local seen = home .. 'subscription:' .. (change.old ~= '' and change.old or change.name)
  for _ = 1, take_count() do
    local field = take()
    if redis.call('HGET', seen, field) ~= take() then
      return 'stale'
    end
  end
  for _ = 1, take_count() do
    change.gone[#change.gone + 1] = take()
  end
  for _ = 1, take_count() do
    change.fields[#change.fields + 1] = { take(), take() }
  end
  changes[index] = change
end
local epoch = take()

for _, change in ipairs(changes) do
  local name = change.name
  if change.old ~= '' then
    rename(change.old, name)
  end
  for _, field in ipairs(change.gone) do
    redis.call('HDEL', home .. 'subscription:' .. name, field)
  end
  for _, field in ipairs(change.fields) do
    redis.call('HSET', home .. 'subscription:' .. name, field[1], field[2])
  end
  redis.call('SADD', home .. 'subscriptions', name)
  if change.forget == 'all' then
    redis.call('UNLINK', home .. 'parked:' .. name)
  elseif change.forget ~= '' then
    redis.call('HDEL', home .. 'parked:' .. name, change.forget)
  end
end
redis.call('HSET', meta, 'epoch', epoch)
redis.call('HINCRBY', meta, 'revision', 1)
keep('changed')

local held = {}
for index, change in ipairs(changes) do
  local pending = redis.call('ZRANGE', home .. 'letters-pending:' .. change.name, 0, -1)
  held[index] = { redis.call('HGETALL', home .. 'parked:' .. change.name), letters_at(pending) }
end
return held
