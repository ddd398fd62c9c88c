-- Deleting events from the log and from what finds them there.
local function set_gone(stream, gone)
  local closed = gone.closed and 1 or 0
  if not any_gone then
    redis.call('HSET', meta, 'gone', 1)
    any_gone = '1'
  end
  local value = { gone.before, gone.newest or '-', closed, gone.removed or '-' }
  redis.call('HSET', home .. 'gone', stream, table.concat(value, ' '))
end

-- Indexes count what they ever had, and this is up to where they have less.
local function raise(key, field, sequence)
  if tonumber(redis.call('HGET', key, field) or 0) < sequence then
    redis.call('HSET', key, field, sequence)
  end
end

local function forget(sequence)
  local place = '0-' .. sequence
  local entry = redis.call('XRANGE', home .. 'log', place, place)[1]
  if entry then
    local name, id, derived = entry[2][2], entry[2][8], entry[2][12] == '1'
    redis.call('XDEL', home .. 'log', place)
    redis.call('XDEL', home .. 'name:' .. name, place)
    raise(meta, 'deleted', tonumber(sequence))
    raise(home .. 'names-deleted', name, tonumber(sequence))
    if derived then
      redis.call('HDEL', home .. 'derived', id)
    end
  end
end
