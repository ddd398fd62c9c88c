-- A stretch of a stream, as many events as an answer may have.
local key, first, last, room = home .. 'stream:' .. take(), take(), take(), take_count()
local events = {}
for index, place in ipairs(redis.call('LRANGE', key, first, last)) do
  local entry = redis.call('XRANGE', home .. 'log', '0-' .. place, '0-' .. place)[1]
  events[index] = entry
  room = room - #entry[2][12]
  if room <= 0 then
    break
  end
end
return events
