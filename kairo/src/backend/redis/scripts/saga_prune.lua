-- Deletes sagas that ended before a time, the longest ended first: how many.
local before, limit = take(), take()
local ended = redis.call('ZRANGEBYSCORE', home .. 'sagas-ended', '-inf', '(' .. before, 'LIMIT', 0, limit)
for _, id in ipairs(ended) do
  local place, saga, key = unpack(redis.call('HMGET', home .. 'saga:' .. id, 'place', 'saga', 'key'))
  redis.call('ZREM', home .. 'sagas', place)
  redis.call('ZREM', home .. 'sagas-named:' .. saga, place)
  if key then
    redis.call('HDEL', home .. 'saga-keys:' .. saga, key)
  end
  redis.call('UNLINK', home .. 'saga:' .. id)
  redis.call('ZREM', home .. 'sagas-ended', id)
end
return keep(tostring(#ended))
