-- A whole hash. KEYS: head, hash
return answer(redis.call('HGETALL', KEYS[2]))
