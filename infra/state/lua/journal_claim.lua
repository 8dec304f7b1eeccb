-- The entry of an action is call .. ' ' .. intent; the same call comes again when its answer was lost, and must get
-- 'go' again.
-- KEYS: head, conversation, intents, outcomes, times of intents, due index
-- ARGV: 3 conversation, 4 key, 5 call, 6 intent, 7 its time, 8 when it is due, 9 token, 10 epoch, 11 horizon,
--       12 seconds to keep entries
local entry = redis.call('HGET', KEYS[3], A[4])
if entry and string.sub(entry, 1, #A[5]) == A[5] then return answer('go') end
local c = redis.call('HMGET', KEYS[2], 'token', 'epoch')
if c[1] ~= A[9] or c[2] ~= A[10] then return answer('stale') end
if entry then return answer('known', entry, redis.call('HGET', KEYS[4], A[4])) end
begin_write()
-- The newest 20 stay whatever their age: see rules.KEPT_WHATEVER_AGE.
local spare = math.max(0, math.min(50, redis.call('ZCARD', KEYS[5]) - 20))
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', '(' .. A[11], 'LIMIT', 0, spare)) do
  if not redis.call('ZSCORE', KEYS[6], A[3] .. ' ' .. old) then
    redis.call('HDEL', KEYS[3], old)
    redis.call('HDEL', KEYS[4], old)
    redis.call('ZREM', KEYS[5], old)
  end
end
redis.call('HSET', KEYS[3], A[4], A[5] .. ' ' .. A[6])
redis.call('ZADD', KEYS[5], A[7], A[4])
redis.call('ZADD', KEYS[6], A[8], A[3] .. ' ' .. A[4])
for _, kept in ipairs({KEYS[3], KEYS[4], KEYS[5]}) do redis.call('EXPIRE', kept, A[12]) end
return answer('go')
