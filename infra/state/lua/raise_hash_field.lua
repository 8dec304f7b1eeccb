-- Raises a number in a hash, never lowers it. KEYS: head, hash    ARGV: 3 field, 4 number
if tonumber(redis.call('HGET', KEYS[2], A[3]) or -1) >= tonumber(A[4]) then return answer() end
begin_write()
redis.call('HSET', KEYS[2], A[3], A[4])
return answer()
