-- Deletes a subscription's place, parked events and marks; its letters stay.
local name = take()
local removed = redis.call('DEL', home .. 'subscription:' .. name)
redis.call('UNLINK', home .. 'parked:' .. name, home .. 'marks:' .. name, home .. 'marks-at:' .. name)
redis.call('SREM', home .. 'marked', name)
redis.call('SREM', home .. 'subscriptions', name)
redis.call('HINCRBY', meta, 'revision', 1)
return keep(removed == 1 and 'removed' or 'absent')
