-- Gives claims back, but for those that have been lost in the meantime: nobody has them, and they
-- ended cleanly.
for _ = 1, take_count() do
  local key, field = home .. 'subscription:' .. take(), 'share:' .. take()
  local share = redis.call('HGET', key, field)
  if share then
    redis.call('HSET', key, field, string.match(share, '^%S+') .. ' - 1')
    redis.call('HINCRBY', meta, 'revision', 1)
  end
end
return keep('released')
