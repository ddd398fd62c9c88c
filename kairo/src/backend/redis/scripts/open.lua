-- Makes a store, or finds out whether there is one that this binary knows. It tries every command
-- that changes anything on a key of its own first, so that a user who may not run one of them
-- learns it here, and not half-way through a commit.
local meta = KEYS[1]
local home = string.sub(meta, 1, -5)
local known, store, created, client, patience, partitions = unpack(ARGV)

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
  for _, room in ipairs({ 'log', 'names', 'derived', 'subscriptions', 'letter', 'letters', 'delayed', 'timetable',
    'gone', 'members', 'leases', 'names-deleted', 'sagas', 'saga-owners', 'sagas-ended' }) do
    if redis.call('EXISTS', home .. room) == 1 then
      return foreign(home .. room)
    end
  end
elseif tonumber(schema) ~= tonumber(known) then
  return { 'schema', schema }
end

local probe, other = home .. 'probe:' .. client, home .. 'probed:' .. client
local refused, why = {}, nil
for _, command in ipairs({
  { 'HSET', probe, 'a', 1 }, { 'HMGET', probe, 'a' }, { 'HGETALL', probe }, { 'HEXISTS', probe, 'a' },
  { 'HLEN', probe }, { 'HKEYS', probe }, { 'HINCRBY', probe, 'a', 1 }, { 'HDEL', probe, 'b' },
  { 'EXISTS', probe }, { 'EXPIRE', probe, 60 },
  { 'RENAME', probe, other }, { 'UNLINK', other },
  { 'ZADD', probe, 0, 'a' }, { 'ZCARD', probe }, { 'ZRANGE', probe, 0, -1 },
  { 'ZRANGEBYLEX', probe, '-', '+' }, { 'ZRANGEBYSCORE', probe, 0, 1 }, { 'ZSCORE', probe, 'a' },
  { 'ZREM', probe, 'a' }, { 'TIME' }, { 'SADD', probe, 'a' }, { 'SMEMBERS', probe }, { 'SREM', probe, 'a' },
  { 'XADD', probe, '0-1', 'a', 1 }, { 'XLEN', probe }, { 'XRANGE', probe, '-', '+' },
  { 'XREVRANGE', probe, '+', '-' }, { 'XDEL', probe, '0-1' }, { 'DEL', probe },
  { 'RPUSH', probe, 'a' }, { 'LLEN', probe }, { 'LRANGE', probe, 0, -1 },
  { 'LSET', probe, 0, 'b' }, { 'LPOP', probe }, { 'DEL', probe },
}) do
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = '`' .. command[1] .. '`'
    why = why or reply.err
  end
end
if why then
  return { 'refused', table.concat(refused, ', '), why }
end

if not schema then
  redis.call('HSET', meta, 'schema', known, 'store', store, 'created', created,
    'sequence', 0, 'epoch', 0, 'ordinal', 0, 'revision', 0, 'partitions', partitions)
end
redis.call('HSET', home .. 'client:' .. client, 'opened', created)
redis.call('EXPIRE', home .. 'client:' .. client, patience)
return { 'opened', redis.call('HGET', meta, 'store'), redis.call('HGET', meta, 'partitions') }
