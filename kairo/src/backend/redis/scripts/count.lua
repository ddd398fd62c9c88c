-- How many events with some names lie behind a place: each entry of a name's index holds how many
-- of the name there are up to it.
local after, counted = take(), 0
for _ = 1, take_count() do
  local name = take()
  local all = tonumber(redis.call('HGET', home .. 'names', name) or 0)
  local last = redis.call('XREVRANGE', home .. 'name:' .. name, '0-' .. after, '-', 'COUNT', 1)[1]
  counted = counted + all - (last and tonumber(last[2][2]) or 0)
end
return counted
