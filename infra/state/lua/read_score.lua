-- KEYS: head, a sorted set. ARGV: 3 member
return answer(redis.call('ZSCORE', KEYS[2], A[3]))
