-- Documents behind an id, in the order of ids: all, or those that an index lists under a value. A page
-- ends early when its documents are large; the first of the answer is whether there may be more.
local collection, field, value, after = take(), take(), take(), take()
local limit, bytes = take_count(), take_count()
if redis.call('HEXISTS', home .. 'collections', collection) == 0 then
  return 'unknown'
end
local ids, skipped
if field == '' then
  local from = after == '' and '-' or '(' .. after
  ids, skipped = redis.call('ZRANGEBYLEX', home .. 'document-ids:' .. collection, from, '+', 'LIMIT', 0, limit), 0
else
  local key = home .. 'document-index:' .. collection .. ':' .. field
  ids = redis.call('ZRANGEBYLEX', key, '(' .. value .. '\0' .. after, '(' .. value .. '\1', 'LIMIT', 0, limit)
  skipped = #value + 1
end
local found = { #ids == limit and 1 or 0 }
for index, id in ipairs(ids) do
  id = string.sub(id, skipped + 1)
  local document = redis.call('HGET', home .. 'documents:' .. collection, id)
  if document then
    found[#found + 1], found[#found + 2] = id, document
    bytes = bytes - #document
    if bytes < 0 and index < #ids then
      found[1] = 1
      break
    end
  end
end
return found
