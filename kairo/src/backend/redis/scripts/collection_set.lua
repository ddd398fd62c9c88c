-- Makes a collection what it is declared to be, unless it is not what the caller has seen; indexes that
-- are not declared go.
local collection, seen, now = take(), take(), take()
if (redis.call('HGET', home .. 'collections', collection) or '') ~= seen then
  return 'stale'
end
redis.call('HSET', home .. 'collections', collection, now)
for _ = 1, take_count() do
  redis.call('UNLINK', entry_key(collection, { take(), take() }))
end
return keep('set')
