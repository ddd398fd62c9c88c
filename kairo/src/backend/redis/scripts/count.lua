-- How many events of one name, or of all with an empty one, lie behind a place: indexes count what
-- they ever had. Up to where events have been deleted they are counted one by one, in stretches.
local name, after, count = take(), take(), take_count()
local key, all, deleted
if name == '' then
  key, all = home .. 'log', sequence
  deleted = redis.call('HGET', meta, 'deleted')
else
  key, all = home .. 'name:' .. name, tonumber(redis.call('HGET', home .. 'names', name) or 0)
  deleted = redis.call('HGET', home .. 'names-deleted', name)
end
deleted = deleted or '0'

-- How many there ever were up to a place.
local function up_to(place)
  if name == '' then
    return math.min(all, tonumber(place))
  end
  local last = redis.call('XREVRANGE', key, '0-' .. place, '-', 'COUNT', 1)[1]
  return last and tonumber(last[2][2]) or 0
end

if tonumber(deleted) <= tonumber(after) then
  return { all - up_to(after), '' }
end
local found = redis.call('XRANGE', key, '(0-' .. after, '0-' .. deleted, 'COUNT', count)
if #found == count then
  return { #found, string.sub(found[#found][1], 3) }
end
return { #found, deleted }
