-- KEYS: head, keys counted    ARGV: none of its own
return answer(redis.call('SCARD', KEYS[2]))
