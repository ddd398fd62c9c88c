-- Events behind a place in the log, as many as an answer may have.
local after, limit, room = take(), take_count(), take_count()

-- How many are read at a time: few at first, for they may be large.
local count = 32
local events = {}
while #events < limit do
  count = math.min(count, limit - #events)
  local found = redis.call('XRANGE', home .. 'log', '(0-' .. after, '+', 'COUNT', count)
  for _, entry in ipairs(found) do
    events[#events + 1] = entry
    after = string.sub(entry[1], 3)
    room = room - #entry[2][16]
    if room <= 0 then
      return { sequence, after, events }
    end
  end
  if #found < count then
    return { sequence, sequence, events }
  end
  count = 2 * count
end
return { sequence, after, events }
