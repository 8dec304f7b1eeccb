-- Takes fields out of a hash. KEYS: head, hash    ARGV: 3… fields
begin_write()
redis.call('HDEL', KEYS[2], unpack(A, 3))
return answer()
