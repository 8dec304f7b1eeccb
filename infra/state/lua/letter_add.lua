-- KEYS: head, letters, order, replays    ARGV: 3 id, 4 letter, 5 time, 6 replays
begin_write()
if redis.call('HSETNX', KEYS[2], A[3], A[4]) == 1 then
  redis.call('ZADD', KEYS[3], A[5], A[3])
  redis.call('HSET', KEYS[4], A[3], A[6])
end
return answer()
