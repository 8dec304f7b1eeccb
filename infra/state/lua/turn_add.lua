-- The newest turns of a conversation; the first of an id stays.
-- KEYS: head, turns, order    ARGV: 3 id, 4 turn, 5 time, 6 how many to keep
wrote()
if redis.call('HSETNX', KEYS[2], A[3], A[4]) == 1 then
  redis.call('ZADD', KEYS[3], A[5], A[3])
  local old = redis.call('ZRANGE', KEYS[3], 0, -tonumber(A[6]) - 1)
  for _, id in ipairs(old) do
    redis.call('ZREM', KEYS[3], id)
    redis.call('HDEL', KEYS[2], id)
  end
end
return answer()
