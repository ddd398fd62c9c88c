-- Sagas by their ids, as many as an answer may have; at least one of those that are there.
local room, rows = take_count(), {}
for index = 1, take_count() do
  local row = redis.call('HGETALL', home .. 'saga:' .. take())
  for at = 2, #row, 2 do
    room = room - #row[at]
  end
  rows[index] = row
  if room < 0 then
    break
  end
end
return rows
