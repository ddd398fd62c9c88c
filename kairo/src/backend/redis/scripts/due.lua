-- Delayed events in due order, up to a time, with as many bytes as an answer may have.
local high, limit, room = take(), take(), take_count()
local found = {}
for _, place in ipairs(redis.call('ZRANGEBYLEX', home .. 'timetable', '-', high, 'LIMIT', 0, limit)) do
  local event = redis.call('HGET', home .. 'delayed', string.sub(place, 25))
  found[#found + 1] = event
  room = room - #event
  if room < 0 then
    break
  end
end
return found
