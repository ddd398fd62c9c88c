-- Takes over sagas that are due and that nobody has, or only somebody whose lease has run out: those
-- of these names, the longest due first. A repetition is told which they were.
local owner, latest, limit = take(), take(), take_count()
for _, other in ipairs(redis.call('SMEMBERS', home .. 'saga-owners')) do
  if other ~= owner and not is_alive(other) then
    release_sagas(other)
  end
end

local due = {}
for _ = 1, take_count() do
  local found = redis.call('ZRANGEBYSCORE', home .. 'sagas-due:' .. take(), '-inf', latest,
    'WITHSCORES', 'LIMIT', 0, limit)
  for index = 1, #found, 2 do
    due[#due + 1] = { id = found[index], at = tonumber(found[index + 1]) }
  end
end
table.sort(due, function(one, other)
  if one.at == other.at then
    return one.id < other.id
  end
  return one.at < other.at
end)

if #due == 0 then
  return ''
end
local claimed = {}
for index = 1, math.min(limit, #due) do
  local id = due[index].id
  set_owner(id, saga_at(id), owner)
  redis.call('HINCRBY', home .. 'saga:' .. id, 'epoch', 1)
  redis.call('HINCRBY', home .. 'saga:' .. id, 'revision', 1)
  claimed[index] = id
end
return keep(table.concat(claimed, ' '))
