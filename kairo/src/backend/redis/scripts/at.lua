-- Events at their places; those that are not there are left out.
local events = {}
for _ = 1, take_count() do
  local place = '0-' .. take()
  events[#events + 1] = redis.call('XRANGE', home .. 'log', place, place)[1]
end
return events
