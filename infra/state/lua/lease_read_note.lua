-- KEYS: lease
return redis.call('HGET', KEYS[1], 'note')
