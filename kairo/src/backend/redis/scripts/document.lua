-- Documents: each is a field of its collection's hash, behind its version and when it was made.
-- `document-entries` has what indexes list of it, so that they can be told when it changes.
local function entry_key(collection, entry)
  return home .. (entry[1] == 'unique' and 'document-owners:' or 'document-index:') .. collection .. ':' .. entry[2]
end

local function take_entries()
  local entries = {}
  for index = 1, take_count() do
    entries[index] = { take(), take(), take() }
  end
  return entries
end

local function seen_of(document)
  return document and string.match(document, '^%d+ %-?%d+')
end

local function drop_entries(collection, id)
  local kept = redis.call('HGET', home .. 'document-entries:' .. collection, id)
  for _, entry in ipairs(kept and cmsgpack.unpack(kept) or {}) do
    local key = entry_key(collection, entry)
    if entry[1] == 'unique' then
      if redis.call('HGET', key, entry[3]) == id then
        redis.call('HDEL', key, entry[3])
      end
    else
      redis.call('ZREM', key, entry[3] .. '\0' .. id)
    end
  end
  redis.call('HDEL', home .. 'document-entries:' .. collection, id)
end

local function add_entries(collection, id, entries)
  for _, entry in ipairs(entries) do
    local key = entry_key(collection, entry)
    if entry[1] == 'unique' then
      redis.call('HSET', key, entry[3], id)
    else
      redis.call('ZADD', key, 0, entry[3] .. '\0' .. id)
    end
  end
  if 0 < #entries then
    redis.call('HSET', home .. 'document-entries:' .. collection, id, cmsgpack.pack(entries))
  end
end
