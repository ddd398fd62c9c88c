-- Notes that a claim ended cleanly, unless it has been lost in the meantime.
local key, epoch = home .. 'subscription:' .. take(), take()
if redis.call('HGET', key, 'epoch') == epoch then
  redis.call('HSET', key, 'clean', 1)
end
return keep('released')
