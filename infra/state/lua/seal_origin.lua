-- Writes the origin of a conversation sealed, if it still is as it was read. KEYS: head, conversation
-- ARGV: 3 the origin, 4 the same sealed
if redis.call('HGET', KEYS[2], 'origin') ~= A[3] then return answer() end
begin_write()
redis.call('HSET', KEYS[2], 'origin', A[4])
return answer()
