-- KEYS: head, lines, numbers    ARGV: 3 message id
return answer(redis.call('HGET', KEYS[2], A[3]), redis.call('ZSCORE', KEYS[3], A[3]))
