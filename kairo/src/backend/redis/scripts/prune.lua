-- Deletes events that nobody needs, of a stretch of the log: how many, and where to go on.
local after, count, room, before = take(), take_count(), take_count(), take_count()
local from, to = take(), take()
local wanted, names = {}, take_count()
for _ = 1, names do
  wanted[take()] = true
end

-- Everybody has passed what lies below the lowest low water, beside what is parked.
local needed, parked = sequence + 1, {}
for _, name in ipairs(redis.call('SMEMBERS', home .. 'subscriptions')) do
  local fields = redis.call('HGETALL', home .. 'subscription:' .. name)
  for index = 1, #fields, 2 do
    if string.sub(fields[index], 1, 3) == 'at:' then
      local epoch, order, low = string.match(fields[index + 1], '^(%d+)-(%d+)-(%d+)')
      if epoch == '0' and order == '0' then
        needed = math.min(needed, tonumber(low) + 1)
      end
    end
  end
  for _, position in ipairs(redis.call('HKEYS', home .. 'parked:' .. name)) do
    parked[position] = true
  end
end

local function is_selected(entry)
  local time = tonumber(entry[2][10])
  return time < before
    and (names == 0 or wanted[entry[2][2]])
    and (from == '' or (tonumber(from) <= time and time < tonumber(to)))
end

-- Takes an event from its stream, whose list never begins with one that is deleted.
local function take_from_stream(stream, version)
  local key, tip = home .. 'stream:' .. stream, tip_of(stream)
  local gone = gone_of(stream) or { before = 0, closed = false }
  local newest = redis.call('LRANGE', key, -1, -1)[1]
  local at = -1
  while newest == '0' do
    at = at - 1
    newest = redis.call('LRANGE', key, at, at)[1]
  end
  if version == tip.version + at + 1 then
    gone.newest = math.max(gone.newest or 0, version)
  end
  redis.call('LSET', key, version - gone.before - 1, 0)
  while redis.call('LRANGE', key, 0, 0)[1] == '0' do
    redis.call('LPOP', key)
    gone.before = gone.before + 1
  end
  if 0 < gone.before or gone.newest then
    set_gone(stream, gone)
  end
end

local deleted = 0
local found = redis.call('XRANGE', home .. 'log', '(0-' .. after, '0-' .. needed, 'COUNT', count)
for _, entry in ipairs(found) do
  local place = string.sub(entry[1], 3)
  if needed <= tonumber(place) then
    break
  end
  if is_selected(entry) and not parked['0-0-' .. place] then
    forget(place)
    take_from_stream(entry[2][4], tonumber(entry[2][6]))
    deleted = deleted + 1
    if deleted == room then
      break
    end
  end
end
local last = found[#found]
local more = #found == count and deleted < room
return keep(deleted .. ' ' .. (more and string.sub(last[1], 3) or '-'))
