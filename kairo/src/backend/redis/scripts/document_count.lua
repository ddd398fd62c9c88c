-- How many documents a collection has.
local collection = take()
if redis.call('HEXISTS', home .. 'collections', collection) == 0 then
  return 'unknown'
end
return redis.call('ZCARD', home .. 'document-ids:' .. collection)
