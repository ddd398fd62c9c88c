-- Where subscriptions are, and whatever it takes to plan a change of them.
local found = {}
for index = 1, take_count() do
  found[index] = redis.call('HGETALL', home .. 'subscription:' .. take())
end
local single = redis.call('HMGET', meta, 'revision', 'epoch')
return { single[1], single[2], sequence, alive(), found }
