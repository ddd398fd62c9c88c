-- Letters in the order of their list, from behind one place up to another.
local key, low, high, limit = home .. take(), take(), take(), take()
local places = redis.call('ZRANGEBYLEX', key, low, high, 'LIMIT', 0, limit)
return letters_at(places)
