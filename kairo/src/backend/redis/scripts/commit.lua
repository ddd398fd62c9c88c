-- Makes a unit take effect: everything is read and checked first, in the order of the unit, and
-- then written. Nothing that comes after the first write can fail.

-- Progress: each under the epoch of the last claim.
local progress = {}
for index = 1, take_count() do
  local one = { name = take(), epoch = take(), low = take(), finished = take(), park = {}, unpark = {} }
  for _ = 1, take_count() do
    one.park[#one.park + 1] = { take(), take() }
  end
  for _ = 1, take_count() do
    one.unpark[#one.unpark + 1] = take()
  end
  if redis.call('HGET', home .. 'subscription:' .. one.name, 'epoch') ~= one.epoch then
    return refuse('fenced ' .. index)
  end
  redis.call('HLEN', home .. 'parked:' .. one.name)
  progress[index] = one
end

-- Letters: the caller has planned their change, which holds while they are as it saw them.
local changes = {}
for index = 1, take_count() do
  local id, seen, blob = take(), take(), take()
  local now = redis.call('HGET', letters, id)
  if string.sub(now or '', 1, 16) ~= seen then
    return 'stale'
  end
  changes[index] = { id, blob }
end

-- The timetable: what is taken from it must be there, what is put into it must be new.
local unscheduled, freed = {}, {}
for index = 1, take_count() do
  local id = take()
  local event = not freed[id] and redis.call('HGET', home .. 'delayed', id)
  if not event then
    return refuse('missing ' .. index)
  end
  freed[id] = true
  unscheduled[index] = { id, string.sub(event, 1, 24) }
end
local scheduled, planned = {}, {}
for _ = 1, take_count() do
  local id, derived, due, event = take(), take() == '1', take(), take()
  local known = planned[id]
    or (not freed[id] and redis.call('HEXISTS', home .. 'delayed', id) == 1)
    or (derived and redis.call('HEXISTS', home .. 'derived', id) == 1)
  if not known then
    planned[id] = true
    scheduled[#scheduled + 1] = { id, due, event }
  end
end

local function allows(expected, actual)
  if expected == 'any' then
    return true
  elseif expected == 'exists' then
    return 0 < actual
  end
  return tonumber(expected) == actual
end

-- Where a derived id stands already: in the log, or earlier in the same unit.
local placed = {}
local function first_place(id)
  if placed[id] then
    return placed[id]
  end
  local first = redis.call('HGET', home .. 'derived', id)
  return first and first .. ' 1'
end

-- Appends: versions and sequences that follow those that the log and this unit have.
local versions, named, fresh, reply = {}, {}, {}, { 'ok' }
for index = 1, take_count() do
  local stream, expected = take(), take()
  local before = versions[stream] or redis.call('LLEN', home .. 'stream:' .. stream)
  local version = before
  for _ = 1, take_count() do
    local id, derived, name, head, payload = take(), take() == '1', take(), take(), take()
    local first = derived and first_place(id)
    if first then
      reply[#reply + 1] = first
    else
      -- An append of nothing new is a repetition, which fits whatever the version is now.
      if version == before and not allows(expected, before) then
        return refuse('conflict ' .. index .. ' ' .. before)
      end
      if not named[name] then
        redis.call('XLEN', home .. 'name:' .. name)
        named[name] = true
      end
      version = version + 1
      sequence = sequence + 1
      fresh[#fresh + 1] = { sequence, stream, version, id, derived, name, head, payload }
      local place = sequence .. ' ' .. version
      reply[#reply + 1] = place .. ' 0'
      placed[id] = placed[id] or place .. ' 1'
    end
  end
  versions[stream] = version
end

-- From here on everything is written.
for _, one in ipairs(progress) do
  redis.call('HSET', home .. 'subscription:' .. one.name, 'low', one.low, 'finished', one.finished)
  for _, parked in ipairs(one.park) do
    redis.call('HSET', home .. 'parked:' .. one.name, parked[1], parked[2])
  end
  for _, position in ipairs(one.unpark) do
    redis.call('HDEL', home .. 'parked:' .. one.name, position)
  end
end
for _, change in ipairs(changes) do
  put_letter(change[1], change[2])
end
for _, event in ipairs(unscheduled) do
  redis.call('HDEL', home .. 'delayed', event[1])
  redis.call('ZREM', home .. 'timetable', event[2] .. event[1])
end
for _, event in ipairs(scheduled) do
  local ordinal = redis.call('HINCRBY', meta, 'ordinal', 1)
  local place = event[2] .. string.format('%016.0f', ordinal)
  redis.call('HSET', home .. 'delayed', event[1], place .. event[3])
  redis.call('ZADD', home .. 'timetable', 0, place .. event[1])
end
for _, event in ipairs(fresh) do
  local number, stream, version, id, derived, name = unpack(event, 1, 6)
  local ordinal = redis.call('HINCRBY', home .. 'names', name, 1)
  redis.call('XADD', home .. 'log', '0-' .. number, 'name', name, 'stream', stream,
    'version', version, 'id', id, 'head', event[7], 'payload', event[8])
  redis.call('XADD', home .. 'name:' .. name, '0-' .. number, 'n', ordinal)
  redis.call('RPUSH', home .. 'stream:' .. stream, number)
  if derived then
    redis.call('HSET', home .. 'derived', id, number .. ' ' .. version)
  end
end
if 0 < #fresh then
  redis.call('HSET', meta, 'sequence', sequence)
end
return keep(table.concat(reply, ' '))
