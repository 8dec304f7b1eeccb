-- KEYS: head, keys counted    ARGV: 3 key, 4 how many at most, 5 seconds to keep them
if redis.call('SISMEMBER', KEYS[2], A[3]) == 1 then return answer(1) end
if redis.call('SCARD', KEYS[2]) >= tonumber(A[4]) then return answer(0) end
begin_write()
redis.call('SADD', KEYS[2], A[3])
redis.call('EXPIRE', KEYS[2], A[5])
return answer(1)
