-- Puts another line in the place of one that is still as it was read. KEYS: head, lines
-- ARGV: 3 message id, 4 the line as read, 5 the new one
if not ours then return answer(1) end
if redis.call('HGET', KEYS[2], A[3]) ~= A[4] then return answer(0) end
begin_write()
redis.call('HSET', KEYS[2], A[3], A[5])
return answer(1)
