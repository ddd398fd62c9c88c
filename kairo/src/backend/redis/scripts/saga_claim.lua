-- Takes over sagas that are due and that nobody has, or only somebody whose lease has run out: those
-- of these names, the longest due first. The reply is their ids.
local owner, latest, limit = take(), take(), take_count()
local due, wanted = {}, {}

local function due_in(room, ...)
  return redis.call('ZRANGEBYSCORE', home .. room, '-inf', latest, 'WITHSCORES', ...)
end

for _ = 1, take_count() do
  local name = take()
  wanted[name] = true
  local found = due_in('sagas-due:' .. name, 'LIMIT', 0, limit)
  for index = 1, #found, 2 do
    due[#due + 1] = { id = found[index], at = tonumber(found[index + 1]) }
  end
end
for _, other in ipairs(redis.call('SMEMBERS', home .. 'saga-owners')) do
  local found = other ~= owner and not is_alive(other) and due_in('sagas-of:' .. other) or {}
  for index = 1, #found, 2 do
    if wanted[redis.call('HGET', home .. 'saga:' .. found[index], 'saga')] then
      due[#due + 1] = { id = found[index], at = tonumber(found[index + 1]) }
    end
  end
end
table.sort(due, function(one, other)
  if one.at == other.at then
    return one.id < other.id
  end
  return one.at < other.at
end)

local claimed = {}
for index = 1, math.min(limit, #due) do
  local id = due[index].id
  set_owner(id, saga_at(id), owner)
  redis.call('HINCRBY', home .. 'saga:' .. id, 'epoch', 1)
  redis.call('HINCRBY', home .. 'saga:' .. id, 'revision', 1)
  claimed[index] = id
end
if #claimed == 0 then
  return ''
end
return keep(table.concat(claimed, ' '))
