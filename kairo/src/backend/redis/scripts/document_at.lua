-- Documents by their ids, or those that have one of some unique values.
local collection, field = take(), take()
if redis.call('HEXISTS', home .. 'collections', collection) == 0 then
  return 'unknown'
end
local found = {}
for _ = 1, take_count() do
  local id = take()
  if field ~= '' then
    id = redis.call('HGET', home .. 'document-owners:' .. collection .. ':' .. field, id)
  end
  local document = id and redis.call('HGET', home .. 'documents:' .. collection, id)
  if document then
    found[#found + 1], found[#found + 2] = id, document
  end
end
return found
