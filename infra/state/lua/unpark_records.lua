-- KEYS: head, records, order, index of the group    ARGV: 3 conversation, 4… positions
begin_write()
for i = 4, #A do
  redis.call('HDEL', KEYS[2], A[i])
  redis.call('ZREM', KEYS[3], A[i])
end
local left = redis.call('ZCARD', KEYS[3])
if left == 0 then redis.call('HDEL', KEYS[4], A[3]) end
return answer(left)
