-- Gives a claim back, unless it has been lost in the meantime: nobody has it, and it ended cleanly.
local key, field = home .. 'subscription:' .. take(), 'share:' .. take()
local share = redis.call('HGET', key, field)
if share then
  redis.call('HSET', key, field, string.match(share, '^%S+') .. ' - 1')
  redis.call('HINCRBY', meta, 'revision', 1)
end
return keep('released')
