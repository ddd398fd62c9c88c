-- Takes subscriptions over, making those that are new.
local fresh = take()

-- Gives letters to another subscription; their first bytes change with them.
local function move_letters(old, new)
  for _, place in ipairs(redis.call('ZRANGE', home .. 'letters-of:' .. old, 0, -1)) do
    local id = string.sub(place, 9)
    local blob = redis.call('HGET', letters, id)
    local rest = string.sub(blob, letter_of(blob).ends + 1)
    local length = string.char(math.floor(#new / 256), #new % 256)
    put_letter(id, fresh .. string.sub(blob, 17, 25) .. length .. new .. rest)
  end
end

local function rename(old, new)
  redis.call('RENAME', home .. 'subscription:' .. old, home .. 'subscription:' .. new)
  if redis.call('EXISTS', home .. 'parked:' .. old) == 1 then
    redis.call('RENAME', home .. 'parked:' .. old, home .. 'parked:' .. new)
  end
  redis.call('SREM', home .. 'subscriptions', old)
  redis.call('SADD', home .. 'subscriptions', new)
  move_letters(old, new)
end

local function exists(name)
  return redis.call('EXISTS', home .. 'subscription:' .. name) == 1
end

local function claim(name, start, old)
  if old ~= '' and not exists(name) and exists(old) then
    rename(old, name)
  end
  local key = home .. 'subscription:' .. name
  -- Epochs of a name never come again, also when it is removed and made anew.
  local epoch = redis.call('HINCRBY', meta, 'epoch', 1)
  if not exists(name) then
    local low = start == 'now' and sequence or 0
    redis.call('HSET', key, 'generation', epoch, 'clean', 1, 'low', '0-0-' .. low, 'finished', '')
    redis.call('SADD', home .. 'subscriptions', name)
  end
  local held = redis.call('HMGET', key, 'generation', 'clean', 'low', 'finished')
  redis.call('HSET', key, 'epoch', epoch, 'clean', 0)
  local pending = redis.call('ZRANGE', home .. 'letters-pending:' .. name, 0, -1)
  local parked = redis.call('HGETALL', home .. 'parked:' .. name)
  return { epoch, held[1], held[2], held[3], held[4], parked, letters_at(pending) }
end

local claimed = {}
for index = 1, take_count() do
  claimed[index] = claim(take(), take(), take())
end
keep('claimed')
return claimed
