-- KEYS: head, deliveries, times of deliveries, intents. ARGV: 3 conversation, 4 message id
if string.sub(redis.call('HGET', KEYS[2], A[4]) or '', 1, 1) ~= '?' then return answer() end
begin_write()
redis.call('HDEL', KEYS[2], A[4])
redis.call('ZREM', KEYS[3], A[4])
redis.call('ZREM', KEYS[4], A[3] .. ' ' .. A[4])
return answer()
