-- KEYS: head, due index    ARGV: 3 member, 4 until
begin_write()
redis.call('ZADD', KEYS[2], 'XX', A[4], A[3])
return answer()
