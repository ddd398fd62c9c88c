-- Gives back all sagas that an owner has and that go on.
for _, id in ipairs(redis.call('ZRANGE', home .. 'sagas-of:' .. take(), 0, -1)) do
  set_owner(id, saga_at(id), nil)
end
return keep('released')
