-- Makes a store, or finds out whether there is one that this binary knows. It tries every command
-- that changes anything on a key of its own first, so that a user who may not run one of them
-- learns it here, and not half-way through a commit.
local meta = KEYS[1]
local home = string.sub(meta, 1, -5)
local known, store, created, client, patience = unpack(ARGV)

local function foreign(key)
  return { 'foreign', key, redis.call('TYPE', key).ok }
end

local kind = redis.call('TYPE', meta).ok
if kind ~= 'hash' and kind ~= 'none' then
  return foreign(meta)
end
local schema = redis.call('HGET', meta, 'schema')
if not schema then
  if kind == 'hash' then
    return foreign(meta)
  end
  for _, room in ipairs({ 'log', 'names', 'derived', 'subscriptions', 'letter', 'letters', 'delayed', 'timetable' }) do
    if redis.call('EXISTS', home .. room) == 1 then
      return foreign(home .. room)
    end
  end
elseif tonumber(schema) ~= tonumber(known) then
  return { 'schema', schema }
end

local probe, other = home .. 'probe:' .. client, home .. 'probed:' .. client
redis.call('HSET', probe, 'a', 1)
redis.call('HMGET', probe, 'a')
redis.call('HGETALL', probe)
redis.call('HEXISTS', probe, 'a')
redis.call('HLEN', probe)
redis.call('HINCRBY', probe, 'a', 1)
redis.call('HDEL', probe, 'a')
redis.call('HSET', probe, 'a', 1)
redis.call('EXPIRE', probe, 60)
redis.call('RENAME', probe, other)
redis.call('UNLINK', other)
redis.call('ZADD', probe, 0, 'a')
redis.call('ZCARD', probe)
redis.call('ZRANGE', probe, 0, -1)
redis.call('ZRANGEBYLEX', probe, '-', '+')
redis.call('ZREM', probe, 'a')
redis.call('SADD', probe, 'a')
redis.call('SMEMBERS', probe)
redis.call('SREM', probe, 'a')
redis.call('XADD', probe, '0-1', 'a', 1)
redis.call('XLEN', probe)
redis.call('XRANGE', probe, '-', '+')
redis.call('XREVRANGE', probe, '+', '-')
redis.call('DEL', probe)
redis.call('RPUSH', probe, 'a')
redis.call('LLEN', probe)
redis.call('LRANGE', probe, 0, -1)
redis.call('DEL', probe)

if not schema then
  redis.call('HSET', meta, 'schema', known, 'store', store, 'created', created,
    'sequence', 0, 'epoch', 0, 'ordinal', 0)
end
redis.call('HSET', home .. 'client:' .. client, 'opened', created)
redis.call('EXPIRE', home .. 'client:' .. client, patience)
return { 'opened', redis.call('HGET', meta, 'store') }
