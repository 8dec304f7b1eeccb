-- KEYS: head, intents, outcomes, times of intents, due index    ARGV: 3 conversation, 4 key
if redis.call('HEXISTS', KEYS[3], A[4]) == 1 then return answer() end
begin_write()
redis.call('HDEL', KEYS[2], A[4])
redis.call('ZREM', KEYS[4], A[4])
redis.call('ZREM', KEYS[5], A[3] .. ' ' .. A[4])
return answer()
