-- The first session to use a one-time identity. KEYS: head, identity    ARGV: 3 session, 4 seconds to keep it
local holder = redis.call('GET', KEYS[2])
if holder then return answer(holder) end
begin_write()
redis.call('SET', KEYS[2], A[3], 'EX', A[4])
return answer(A[3])
