-- Records are ordered by offset, whatever the order in which they were parked.
-- KEYS: head, records, order, index of the group
-- ARGV: 3 conversation, 4 until and partition, then triples of position, offset and record
begin_write()
for i = 5, #A, 3 do
  redis.call('HSETNX', KEYS[2], A[i], A[i + 2])
  redis.call('ZADD', KEYS[3], A[i + 1], A[i])
end
if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('HSET', KEYS[4], A[3], A[4]) end
return answer()
