-- KEYS: head, value    ARGV: 3 value, 4 seconds to keep it
if ours then redis.call('SET', KEYS[2], A[3], 'EX', A[4]) end
return 0
