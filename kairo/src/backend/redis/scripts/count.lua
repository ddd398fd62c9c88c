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

-- How many there are behind a place behind which none was deleted.
local function behind(place)
  if name == '' then
    return all - math.min(all, tonumber(place))
  end
  local first = redis.call('XRANGE', key, '(0-' .. place, '+', 'COUNT', 1)[1]
  return first and all - tonumber(first[2][2]) + 1 or 0
end

if tonumber(deleted) <= tonumber(after) then
  return { behind(after), '' }
end
local found = redis.call('XRANGE', key, '(0-' .. after, '0-' .. deleted, 'COUNT', count)
if #found == count then
  return { #found, string.sub(found[#found][1], 3) }
end
return { #found, deleted }
