-- Letters in the order of their list, or from its end, between two places.
local key, low, high, limit = home .. take(), take(), take(), take()
if take() == '1' then
    return letters_at(redis.call('ZREVRANGEBYLEX', key, high, low, 'LIMIT', 0, limit))
end
return letters_at(redis.call('ZRANGEBYLEX', key, low, high, 'LIMIT', 0, limit))
