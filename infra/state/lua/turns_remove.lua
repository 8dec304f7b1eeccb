-- Removes turns. KEYS: head, turns, order    ARGV: 3… turn ids. Returns how many there were.
begin_write()
redis.call('ZREM', KEYS[3], unpack(A, 3))
return answer(redis.call('HDEL', KEYS[2], unpack(A, 3)))
