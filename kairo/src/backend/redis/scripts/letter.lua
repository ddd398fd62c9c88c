-- Dead letters. A letter begins with 16 bytes that change with it, `1` if a claim returns it, its
-- time of death in 8 bytes and its subscription behind the length in 2 bytes.
local letters = home .. 'letter'

local function letter_of(blob)
  local first, second = string.byte(blob, 26, 27)
  local ends = 27 + 256 * first + second
  return {
    pending = string.sub(blob, 17, 17) == '1',
    age = string.sub(blob, 18, 25),
    subscription = string.sub(blob, 28, ends),
    ends = ends,
  }
end

local function put_letter(id, blob)
  local old = redis.call('HGET', letters, id)
  if old then
    local was = letter_of(old)
    local place = was.age .. id
    redis.call('ZREM', home .. 'letters', place)
    redis.call('ZREM', home .. 'letters-of:' .. was.subscription, place)
    redis.call('ZREM', home .. 'letters-pending:' .. was.subscription, place)
  end
  if blob == '' then
    redis.call('HDEL', letters, id)
    return
  end
  local is = letter_of(blob)
  local place = is.age .. id
  redis.call('HSET', letters, id, blob)
  redis.call('ZADD', home .. 'letters', 0, place)
  redis.call('ZADD', home .. 'letters-of:' .. is.subscription, 0, place)
  if is.pending then
    redis.call('ZADD', home .. 'letters-pending:' .. is.subscription, 0, place)
  end
end

local function letters_at(places)
  local found = {}
  for _, place in ipairs(places) do
    local id = string.sub(place, 9)
    found[#found + 1] = id
    found[#found + 1] = redis.call('HGET', letters, id)
  end
  return found
end
