-- KEYS: head, letters, order, replays    ARGV: 3 id
begin_write()
redis.call('HDEL', KEYS[2], A[3])
redis.call('ZREM', KEYS[3], A[3])
redis.call('HDEL', KEYS[4], A[3])
return answer()
