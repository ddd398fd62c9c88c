-- Dead letters. A letter begins with 16 bytes that change with it, `1` if a claim returns it, its
-- time of death in 8 bytes, and its position and its subscription, each behind its length in 2
-- bytes.
local letters = home .. 'letter'

local function part_of(blob, at)
  local first, second = string.byte(blob, at, at + 1)
  local ends = at + 1 + 256 * first + second
  return string.sub(blob, at + 2, ends), ends + 1
end

local function letter_of(blob)
  local position, at = part_of(blob, 26)
  local subscription, ends = part_of(blob, at)
  return {
    pending = string.sub(blob, 17, 17) == '1',
    age = string.sub(blob, 18, 25),
    position = position,
    subscription = subscription,
    subscription_at = at,
    rest_at = ends,
  }
end

-- The sorted sets that list a letter, and its places in them.
local function lists_of(id, letter)
  local place = letter.age .. id
  local lists = {
    { 'letters', place },
    { 'letters-of:' .. letter.subscription, place },
    { 'letters-at:' .. letter.subscription, letter.position .. ' ' .. place },
  }
  if letter.pending then
    lists[4] = { 'letters-pending:' .. letter.subscription, place }
  end
  return lists
end

local function put_letter(id, blob)
  local old = redis.call('HGET', letters, id)
  if old then
    for _, list in ipairs(lists_of(id, letter_of(old))) do
      redis.call('ZREM', home .. list[1], list[2])
    end
  end
  if blob == '' then
    redis.call('HDEL', letters, id)
    return
  end
  redis.call('HSET', letters, id, blob)
  for _, list in ipairs(lists_of(id, letter_of(blob))) do
    redis.call('ZADD', home .. list[1], 0, list[2])
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
