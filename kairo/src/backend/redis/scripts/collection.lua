-- What is known of a collection: its name and its indexes, as JSON.
return redis.call('HGET', home .. 'collections', take())
