-- A plain value. KEYS: head, value
return answer(redis.call('GET', KEYS[2]))
