-- Leases, by the server's clock in milliseconds.
local time = redis.call('TIME')
local now = 1000 * tonumber(time[1]) + math.floor(tonumber(time[2]) / 1000)

local function is_alive(id)
  local ends = redis.call('ZSCORE', home .. 'leases', id)
  return ends and now < tonumber(ends)
end

local function alive()
  return redis.call('ZRANGEBYSCORE', home .. 'leases', '(' .. string.format('%.0f', now), '+inf')
end
