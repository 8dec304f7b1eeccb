-- KEYS: head, letters, replays    ARGV: 3 id
return answer(redis.call('HGET', KEYS[2], A[3]), redis.call('HGET', KEYS[3], A[3]))
