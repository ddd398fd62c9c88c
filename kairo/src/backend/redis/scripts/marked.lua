-- Whether an event has been marked as handled.
return redis.call('HEXISTS', home .. 'marks:' .. take(), take())
