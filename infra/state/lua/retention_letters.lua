-- Removes some of the dead letters from before a time. Answers how many.
-- KEYS: head, letters, replays, order    ARGV: 3 time, 4 how many at most
local old = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. A[3], 'LIMIT', 0, A[4])
if #old == 0 then return answer(0) end
begin_write()
for _, id in ipairs(old) do
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
end
return answer(#old)
