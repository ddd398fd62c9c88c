-- All subscriptions with what they hold.
local rows = {}
for _, name in ipairs(redis.call('SMEMBERS', home .. 'subscriptions')) do
  local held = redis.call('HMGET', home .. 'subscription:' .. name, 'generation', 'low')
  rows[#rows + 1] = {
    name, held[1], held[2],
    redis.call('HLEN', home .. 'parked:' .. name),
    redis.call('ZCARD', home .. 'letters-of:' .. name),
  }
end
return rows
