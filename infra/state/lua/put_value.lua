-- A plain value that expires. KEYS: head, value    ARGV: 3 value, 4 seconds to keep it
begin_write()
redis.call('SET', KEYS[2], A[3], 'EX', A[4])
return answer()
