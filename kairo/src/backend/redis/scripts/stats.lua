-- What there is to say about a stretch of a stream: how many events and bytes, and where it goes on.
local stream, from, count = take(), take_count(), take_count()
local key, events, bytes = home .. 'stream:' .. stream, 0, 0
local gone, tip = gone_of(stream), tip_of(stream)
local before = gone and gone.before or 0
from = math.max(from, before + 1)
for _, place in ipairs(redis.call('LRANGE', key, from - before - 1, from - before - 2 + count)) do
  if place ~= '0' then
    local entry = redis.call('XRANGE', home .. 'log', '0-' .. place, '0-' .. place)[1]
    events = events + 1
    bytes = bytes + #entry[2][16]
  end
end
return { tip.version, tip.closed and 1 or 0, gone and 1 or 0, events, bytes, from + count }
