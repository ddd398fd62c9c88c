-- What planning the change of letters needs: the epochs of subscriptions, and letters, at one
-- moment.
local found = {}
for _ = 1, take_count() do
  found[#found + 1] = redis.call('HGET', home .. 'subscription:' .. take(), 'epoch')
end
for _ = 1, take_count() do
  found[#found + 1] = redis.call('HGET', home .. 'letter', take())
end
return found
