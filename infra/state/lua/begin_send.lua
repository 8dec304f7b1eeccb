-- The same rule as rules.send_verdict. An entry is '?' .. call while only the intent is known, else the outcome as
-- 'state ' .. JSON. The same call comes again when its answer was lost; it must get 'go' again.
-- KEYS: head, conversation, deliveries, times of deliveries, intents
-- ARGV: 3 conversation, 4 message id, 5 call, 6 now, 7 deadline, 8 whether it has expired, 9 epoch or '' when the
--       owner does not matter, 10 horizon, 11 seconds to keep deliveries, 12 whether it was in doubt and certainly is not
--       shown (rules.resend_verdict), 13 deadline of the caller's own intent or ''
local entry = redis.call('HGET', KEYS[3], A[4])
if entry then
  if entry == '?' .. A[5] then return answer('go') end
  local state = string.match(entry, '^[^?%s]%S*')
  if A[12] == '0' or (state and state ~= 'unknown') then return answer(state or 'in_doubt') end
  local deadline = redis.call('ZSCORE', KEYS[5], A[3] .. ' ' .. A[4])
  local held = A[13] ~= '' and tonumber(A[13]) == tonumber(deadline)
  if deadline and not held and tonumber(A[6]) < tonumber(deadline) then return answer('in_doubt') end
end
local floor = redis.call('HGET', KEYS[2], 'floor') or 0
if A[9] ~= '' and tonumber(A[9]) < tonumber(floor) then return answer('stale_owner') end
if A[8] == '1' then return answer('expired') end
begin_write()
-- The newest 20 stay whatever their age: see rules.KEPT_WHATEVER_AGE.
local spare = math.max(0, math.min(50, redis.call('ZCARD', KEYS[4]) - 20))
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. A[10], 'LIMIT', 0, spare)) do
  if string.sub(redis.call('HGET', KEYS[3], old) or '', 1, 1) ~= '?' then
    redis.call('HDEL', KEYS[3], old)
    redis.call('ZREM', KEYS[4], old)
  end
end
redis.call('HSET', KEYS[3], A[4], '?' .. A[5])
redis.call('ZADD', KEYS[4], A[6], A[4])
redis.call('ZADD', KEYS[5], A[7], A[3] .. ' ' .. A[4])
redis.call('EXPIRE', KEYS[3], A[11])
redis.call('EXPIRE', KEYS[4], A[11])
return answer('go')
