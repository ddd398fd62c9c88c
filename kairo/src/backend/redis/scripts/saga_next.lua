-- When the next saga of these names is due that nobody has.
local first = nil
for _ = 1, take_count() do
  local id = redis.call('ZRANGE', home .. 'sagas-due:' .. take(), 0, 0)[1]
  local due = id and redis.call('HGET', home .. 'saga:' .. id, 'due')
  if due and (not first or tonumber(due) < tonumber(first)) then
    first = due
  end
end
return first
