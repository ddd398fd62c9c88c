-- Deletes old marks of events that their subscriptions have passed, the oldest of each first. One that
-- is still needed is passed over.
local before, limit = take(), take_count()
local PAGE = 256

local function low_water_of(name)
  local lowest
  local fields = redis.call('HGETALL', home .. 'subscription:' .. name)
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 3) == 'at:' then
      local epoch, order, low = string.match(fields[index + 1], '^(%d+)-(%d+)-(%d+)')
      low = epoch == '0' and order == '0' and tonumber(low) or 0
      lowest = math.min(lowest or low, low)
    end
  end
  return lowest or math.huge
end

local pruned = 0
for _, name in ipairs(redis.call('SMEMBERS', home .. 'marked')) do
  local marks, times = home .. 'marks:' .. name, home .. 'marks-at:' .. name
  local low, passed_over = low_water_of(name), 0
  while pruned < limit do
    local old = redis.call('ZRANGEBYSCORE', times, '-inf', '(' .. before, 'LIMIT', passed_over, PAGE)
    for _, mark in ipairs(old) do
      if pruned < limit and tonumber(redis.call('HGET', marks, mark)) <= low then
        redis.call('HDEL', marks, mark)
        redis.call('ZREM', times, mark)
        pruned = pruned + 1
      else
        passed_over = passed_over + 1
      end
    end
    if #old < PAGE then
      break
    end
  end
  if redis.call('EXISTS', marks) == 0 then
    redis.call('SREM', home .. 'marked', name)
  end
end
return keep(tostring(pruned))
