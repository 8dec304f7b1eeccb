-- KEYS: head, intents, outcomes
return answer(redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]))
