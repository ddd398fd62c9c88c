-- A stretch of a stream, as many events as an answer may have, in either direction. Where events
-- have been deleted it goes on until it finds one.
local stream, from, to, backwards = take(), take_count(), take_count(), take() == '1'
local limit, room = take_count(), take_count()
local key, events = home .. 'stream:' .. stream, {}
local gone = gone_of(stream)
local before = gone and gone.before or 0
from = math.max(from, before + 1)
to = math.min(to, before + redis.call('LLEN', key))

local count = 32
while from <= to and #events < limit do
  local first, last = from, math.min(to, from + count - 1)
  if backwards then
    first, last = math.max(from, to - count + 1), to
  end
  local places = redis.call('LRANGE', key, first - before - 1, last - before - 1)
  for index = 1, #places do
    local place = places[backwards and #places + 1 - index or index]
    if place ~= '0' then
      local entry = redis.call('XRANGE', home .. 'log', '0-' .. place, '0-' .. place)[1]
      events[#events + 1] = entry
      room = room - #entry[2][16]
      if room <= 0 or #events == limit then
        return events
      end
    end
  end
  if backwards then
    to = first - 1
  else
    from = last + 1
  end
  count = 2 * count
end
return events
