-- KEYS: head, intents, outcomes    ARGV: 3 key
return answer(redis.call('HGET', KEYS[2], A[3]), redis.call('HGET', KEYS[3], A[3]))
