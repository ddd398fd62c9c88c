-- What is known about an event in a subscription.
local name, position = take(), take()
local letter = redis.call('ZRANGEBYLEX', home .. 'letters-at:' .. name,
  '[' .. position .. ' ', '(' .. position .. '!', 'LIMIT', 0, 1)[1]
return {
  redis.call('HGETALL', home .. 'subscription:' .. name),
  redis.call('HGET', home .. 'parked:' .. name, position),
  letter and string.sub(letter, -16) or false,
}
