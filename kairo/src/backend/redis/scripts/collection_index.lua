-- Lists documents in indexes, as far as they are what the caller has seen. It ends where a unique value
-- has another owner, with the number of the document and of the entry.
local collection = take()
local documents = {}
for index = 1, take_count() do
  documents[index] = { id = take(), seen = take(), entries = take_entries() }
end
for index, one in ipairs(documents) do
  if seen_of(redis.call('HGET', home .. 'documents:' .. collection, one.id)) == one.seen then
    for number, entry in ipairs(one.entries) do
      local owner = entry[1] == 'unique' and redis.call('HGET', entry_key(collection, entry), entry[3])
      if owner and owner ~= one.id then
        return keep('taken ' .. index .. ' ' .. number)
      end
    end
    drop_entries(collection, one.id)
    add_entries(collection, one.id, one.entries)
  end
end
return keep('indexed')
