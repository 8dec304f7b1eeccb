-- KEYS: head, turns, order    ARGV: 3 turn id, 4 turn, 5 its time, 6 how many to keep
begin_write()
if redis.call('HSETNX', KEYS[2], A[3], A[4]) == 0 then return answer() end
redis.call('ZADD', KEYS[3], A[5], A[3])
for _, old in ipairs(redis.call('ZRANGE', KEYS[3], 0, -tonumber(A[6]) - 1)) do
  redis.call('HDEL', KEYS[2], old)
  redis.call('ZREM', KEYS[3], old)
end
return answer()
