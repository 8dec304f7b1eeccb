-- KEYS: head, outbox
return answer(redis.call('HVALS', KEYS[2]))
