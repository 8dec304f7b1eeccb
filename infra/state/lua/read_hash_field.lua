-- One field of a hash. KEYS: head, hash    ARGV: 3 field
return answer(redis.call('HGET', KEYS[2], A[3]))
