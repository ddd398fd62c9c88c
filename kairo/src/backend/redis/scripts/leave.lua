-- Ends a member's lease.
local id = take()
redis.call('ZREM', home .. 'leases', id)
redis.call('HDEL', home .. 'members', id)
return keep('left')
