-- KEYS: head, value    ARGV: 2 value, 3 seconds to keep it
if ours then redis.call('SET', KEYS[2], A[2], 'EX', A[3]) end
return 0
