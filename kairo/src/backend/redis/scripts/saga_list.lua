-- The places of sagas in a list, in its order between two places.
local room, low, high, limit = take(), take(), take(), take()
return redis.call('ZRANGEBYLEX', home .. room, low, high, 'LIMIT', 0, limit)
