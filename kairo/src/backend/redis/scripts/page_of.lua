-- Events with some names behind a place in the log, as many as an answer may have.
local after, limit, room = take(), take_count(), take_count()

-- Once `limit` places are known, later ones are of no use; so each name is read up to there only.
local places, reach = {}, sequence
for _ = 1, take_count() do
  local found = redis.call('XRANGE', home .. 'name:' .. take(),
    '(0-' .. after, '0-' .. reach, 'COUNT', limit)
  for _, entry in ipairs(found) do
    places[#places + 1] = tonumber(string.sub(entry[1], 3))
  end
  table.sort(places)
  for index = #places, limit + 1, -1 do
    places[index] = nil
  end
  if #places == limit then
    reach = places[limit]
  end
end

local events = {}
for index, place in ipairs(places) do
  local entry = redis.call('XRANGE', home .. 'log', '0-' .. place, '0-' .. place)[1]
  events[index] = entry
  room = room - #entry[2][16]
  if room <= 0 and index < #places then
    return { sequence, place, events }
  end
end
return { sequence, reach, events }
