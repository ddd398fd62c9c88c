-- Lends to a member, or lends on; others are answered with it.
local id, about, lease, is_new = take(), take(), take_count(), take() == '1'
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', home .. 'leases', '-inf', string.format('%.0f', now))) do
  redis.call('ZREM', home .. 'leases', dead)
  redis.call('HDEL', home .. 'members', dead)
end
local known = redis.call('HGET', home .. 'members', id)
if not known and not is_new then
  return keep('lost')
end
redis.call('HSET', home .. 'members', id, about)
redis.call('ZADD', home .. 'leases', string.format('%.0f', now + lease), id)
keep('lent')
return { known == about and 'same' or 'other', redis.call('HGETALL', home .. 'members') }
