-- What planning the change of letters needs, at one moment: which claims hold, which marks are set,
-- and the letters.
local found = {}
for _ = 1, take_count() do
  local key = home .. 'subscription:' .. take()
  found[#found + 1] = redis.call('HEXISTS', key, 'at:' .. take())
end
for _ = 1, take_count() do
  found[#found + 1] = redis.call('HEXISTS', home .. 'marks:' .. take(), take())
end
for _ = 1, take_count() do
  found[#found + 1] = redis.call('HGET', home .. 'letter', take())
end
return found
