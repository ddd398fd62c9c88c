-- Makes a unit take effect: everything is read and checked first, in the order of the unit, and
-- then written. Nothing that comes after the first write can fail.

-- Progress: each under the epoch of the last claim.
local progress = {}
for index = 1, take_count() do
  local one = { name = take(), epoch = take(), checkpoint = take(), park = {}, unpark = {} }
  for _ = 1, take_count() do
    one.park[#one.park + 1] = { take(), take() }
  end
  for _ = 1, take_count() do
    one.unpark[#one.unpark + 1] = take()
  end
  one.failure = take()
  if redis.call('HEXISTS', home .. 'subscription:' .. one.name, 'at:' .. one.epoch) == 0 then
    return refuse('fenced ' .. index)
  end
  redis.call('HLEN', home .. 'parked:' .. one.name)
  progress[index] = one
end

-- Marks: each under the epoch of a claim, where it comes from one, and new.
local marks = {}
for index = 1, take_count() do
  local one = { name = take(), epoch = take(), event = take(), time = take(), position = take() }
  if one.epoch ~= '' and redis.call('HEXISTS', home .. 'subscription:' .. one.name, 'at:' .. one.epoch) == 0 then
    return refuse('mark-fenced ' .. index)
  end
  marks[index] = one
end
local marked = {}
for index, one in ipairs(marks) do
  local mark = one.event .. ' ' .. one.name
  if marked[mark] or redis.call('HEXISTS', home .. 'marks:' .. one.name, one.event) == 1 then
    return refuse('marked ' .. index)
  end
  marked[mark] = true
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

local function allows(expected, tip)
  if expected == 'any' then
    return true
  elseif expected == 'none' then
    return not tip.has_events
  elseif expected == 'exists' then
    return tip.has_events
  end
  return tonumber(expected) == tip.version
end

-- Removals: of a stream of which nothing is left there is nothing to do, unless it is closed by it.
local removals = {}
for index = 1, take_count() do
  local stream, expected, close = take(), take(), take() == '1'
  local tip = tip_of(stream)
  if not tip.closed then
    if not allows(expected, tip) then
      return refuse('removal-conflict ' .. index .. ' ' .. tip.version)
    end
    if tip.has_events or close then
      local sequences = redis.call('LRANGE', home .. 'stream:' .. stream, 0, -1)
      removals[#removals + 1] = { stream, tip.version, close, sequences }
    end
  end
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

-- Appends: versions and sequences that follow those that the log and this unit have, and how many
-- events of each name there ever were. A new name's key must not be somebody else's.
local tips, named, fresh, reply = {}, {}, {}, { 'ok' }
for index = 1, take_count() do
  local stream, expected = take(), take()
  local tip = tips[stream] or tip_of(stream)
  local version = tip.version
  for _ = 1, take_count() do
    local id, derived, name, time, head, payload = take(), take() == '1', take(), take(), take(), take()
    local first = derived and first_place(id)
    if first then
      reply[#reply + 1] = first
    else
      -- An append of nothing new is a repetition, which fits whatever the version is now.
      if version == tip.version then
        if tip.closed then
          return refuse('closed ' .. index)
        elseif not allows(expected, tip) then
          return refuse('conflict ' .. index .. ' ' .. tip.version)
        end
      end
      if not named[name] then
        named[name] = tonumber(redis.call('HGET', home .. 'names', name) or 0)
        if named[name] == 0 then
          redis.call('XLEN', home .. 'name:' .. name)
        end
      end
      version = version + 1
      sequence = sequence + 1
      fresh[#fresh + 1] = { sequence, stream, version, id, derived, name, time, head, payload }
      local place = sequence .. ' ' .. version
      reply[#reply + 1] = place .. ' 0'
      placed[id] = placed[id] or place .. ' 1'
    end
  end
  if tip.version < version then
    tips[stream] = { version = version, has_events = true, closed = false }
  end
end

-- Snapshots: the newest is kept, and none of events that were deleted before it came.
local snapshots = {}
for _ = 1, take_count() do
  local stream, name, version, blob = take(), take(), take_count(), take()
  local gone = gone_of(stream)
  local kept = redis.call('HGET', home .. 'snapshots:' .. stream, name)
  for _, removal in ipairs(removals) do
    if removal[1] == stream then
      gone, kept = { removed = removal[2] }, nil
    end
  end
  local known = kept and tonumber(string.match(kept, '^%d+')) or 0
  if known <= version and not (gone and gone.removed and version <= gone.removed) then
    snapshots[#snapshots + 1] = { stream, name, blob }
  end
end

-- Sagas: a start finds its id and its key free, a write has seen the last state. `after` is what
-- lists it from now on, `fields` what changes in its hash.
local function take_fields()
  local fields, values = {}, {}
  for _ = 1, take_count() do
    local field, value = take(), take()
    fields[#fields + 1], fields[#fields + 2], values[field] = field, value, value
  end
  return fields, values
end

local sagas, keyed = {}, {}
for index = 1, take_count() do
  local kind, id = take(), take()
  local before = saga_at(id)
  if not before and kind ~= 'start' then
    return refuse('saga-missing ' .. index)
  end
  if kind == 'start' then
    local place, fields, after = take(), take_fields()
    local name, key = after.saga, after.key
    if before then
      return refuse('saga-exists ' .. index)
    elseif key then
      keyed[name] = keyed[name] or {}
      local taken = keyed[name][key] or redis.call('HGET', home .. 'saga-keys:' .. name, key)
      if taken then
        return refuse('saga-taken ' .. index .. ' ' .. taken)
      end
      keyed[name][key] = id
    end
    sagas[#sagas + 1] = { id = id, place = place, fields = fields, after = after }
  elseif kind == 'write' then
    local epoch, revision, stays = take(), take(), take() == '1'
    local fields, after = take_fields()
    if before.epoch ~= epoch or before.revision ~= revision then
      return refuse('saga-moved ' .. index)
    end
    after.saga, after.owner = before.saga, stays and before.owner or nil
    sagas[#sagas + 1] = { id = id, before = before, fields = fields, after = after }
  else
    local now = take()
    if not LIVE[before.phase] then
      return refuse('saga-waits ' .. index .. ' ' .. before.phase)
    elseif not before.cancelled then
      local due = tonumber(now) < tonumber(before.due) and now or before.due
      local fields = { 'cancelled', 1, 'due', due, 'changed', now }
      local after = { saga = before.saga, phase = before.phase, due = due, changed = now, owner = before.owner }
      sagas[#sagas + 1] = { id = id, before = before, fields = fields, after = after }
    end
  end
end

-- Documents: those that change are as they were seen, and unique values are free, or belong to somebody
-- who changes, too.
local documents, changing = {}, {}
for index = 1, take_count() do
  local one = { collection = take(), id = take(), kind = take(), seen = take(), value = take(), entries = take_entries() }
  if redis.call('HEXISTS', home .. 'collections', one.collection) == 0 then
    return refuse('document-unknown ' .. index)
  end
  local seen = seen_of(redis.call('HGET', home .. 'documents:' .. one.collection, one.id))
  if one.kind == 'insert' and seen then
    return refuse('document-exists ' .. index)
  elseif one.kind ~= 'insert' and seen ~= one.seen then
    return refuse('document-moved ' .. index .. ' ' .. (seen and string.match(seen, '^%d+') or '-'))
  end
  changing[one.collection .. '\0' .. one.id] = true
  documents[index] = one
end
local values = {}
for index, one in ipairs(documents) do
  for number, entry in ipairs(one.entries) do
    if entry[1] == 'unique' then
      local key = entry_key(one.collection, entry)
      local owner, value = redis.call('HGET', key, entry[3]), key .. '\0' .. entry[3]
      if values[value] or (owner and not changing[one.collection .. '\0' .. owner]) then
        return refuse('document-taken ' .. index .. ' ' .. number)
      end
      values[value] = true
    end
  end
end

-- From here on everything is written.
for _, one in ipairs(progress) do
  redis.call('HSET', home .. 'subscription:' .. one.name, 'at:' .. one.epoch, one.checkpoint)
  if one.failure ~= '' then
    redis.call('HSET', home .. 'subscription:' .. one.name, 'failure', one.failure)
  end
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
for _, removal in ipairs(removals) do
  local stream, version = removal[1], removal[2]
  for _, place in ipairs(removal[4]) do
    forget(place)
  end
  redis.call('UNLINK', home .. 'stream:' .. stream, home .. 'snapshots:' .. stream)
  set_gone(stream, { before = version, newest = version, closed = removal[3], removed = version })
end
for _, event in ipairs(fresh) do
  local number, stream, version, id, derived, name = unpack(event, 1, 6)
  named[name] = named[name] + 1
  redis.call('XADD', home .. 'log', '0-' .. number, 'name', name, 'stream', stream,
    'version', version, 'id', id, 'time', event[7], 'derived', derived and 1 or 0,
    'head', event[8], 'payload', event[9])
  redis.call('XADD', home .. 'name:' .. name, '0-' .. number, 'n', named[name])
  redis.call('RPUSH', home .. 'stream:' .. stream, number)
  if derived then
    redis.call('HSET', home .. 'derived', id, number .. ' ' .. version)
  end
end
for name, count in pairs(named) do
  redis.call('HSET', home .. 'names', name, count)
end
for _, snapshot in ipairs(snapshots) do
  redis.call('HSET', home .. 'snapshots:' .. snapshot[1], snapshot[2], snapshot[3])
end
for _, saga in ipairs(sagas) do
  local id, before, after = saga.id, saga.before, saga.after
  redis.call('HSET', home .. 'saga:' .. id, unpack(saga.fields))
  if before then
    redis.call('HINCRBY', home .. 'saga:' .. id, 'revision', 1)
    if before.owner and not after.owner then
      redis.call('HDEL', home .. 'saga:' .. id, 'owner')
    end
  else
    redis.call('HSET', home .. 'saga:' .. id, 'place', saga.place)
    redis.call('ZADD', home .. 'sagas', 0, saga.place)
    redis.call('ZADD', home .. 'sagas-named:' .. after.saga, 0, saga.place)
    if after.key then
      redis.call('HSET', home .. 'saga-keys:' .. after.saga, after.key, id)
    end
  end
  list_saga(id, before, after)
end
for _, one in ipairs(marks) do
  redis.call('HSET', home .. 'marks:' .. one.name, one.event, one.position)
  redis.call('ZADD', home .. 'marks-at:' .. one.name, one.time, one.event)
  redis.call('SADD', home .. 'marked', one.name)
end
-- Everybody lets go of unique values before anybody takes one.
for _, one in ipairs(documents) do
  drop_entries(one.collection, one.id)
end
for _, one in ipairs(documents) do
  local rows, ids = home .. 'documents:' .. one.collection, home .. 'document-ids:' .. one.collection
  if one.kind == 'remove' then
    redis.call('HDEL', rows, one.id)
    redis.call('ZREM', ids, one.id)
  else
    redis.call('HSET', rows, one.id, one.value)
    redis.call('ZADD', ids, 0, one.id)
    add_entries(one.collection, one.id, one.entries)
  end
end
if 0 < #fresh then
  redis.call('HSET', meta, 'sequence', sequence)
end
return keep(table.concat(reply, ' '))
