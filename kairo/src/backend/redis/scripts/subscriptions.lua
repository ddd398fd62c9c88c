-- All subscriptions with what they hold, and who is there.
local rows = {}
for index, name in ipairs(redis.call('SMEMBERS', home .. 'subscriptions')) do
  rows[index] = {
    name,
    redis.call('HGETALL', home .. 'subscription:' .. name),
    redis.call('HLEN', home .. 'parked:' .. name),
    redis.call('ZCARD', home .. 'letters-of:' .. name),
  }
end
return { alive(), rows }
