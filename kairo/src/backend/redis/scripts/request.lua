-- What makes a write safe to repeat. A client numbers its requests within a few slots, and each
-- slot keeps the last number with its reply: a repetition gets the reply of the first, and one
-- that was held up on a lost connection does nothing when it comes after its successor.
local client, slot, serial, repeated = home .. 'client:' .. take(), take(), take_count(), take() == '1'

local kept = redis.call('HGET', client, slot)
if kept then
  local last, reply = string.match(kept, '^(%d+) (.*)$')
  last = tonumber(last)
  if last == serial then
    return reply
  end
  if serial < last then
    return redis.error_reply('KAIROLATE a later request has taken its place')
  end
elseif repeated and redis.call('EXISTS', client) == 0 then
  return redis.error_reply('KAIROUNKNOWN what became of the request is not known')
end

local function keep(reply)
  redis.call('HSET', client, slot, string.format('%.0f ', serial) .. reply)
  return reply
end

-- A repetition that is refused is kept too, so that the first cannot take effect afterwards.
local function refuse(reply)
  if repeated then
    keep(reply)
  end
  return reply
end
