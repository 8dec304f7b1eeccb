-- The same rule as rules.replaces_outcome. KEYS: head, deliveries, times of deliveries, intents
-- ARGV: 3 conversation, 4 message id, 5 outcome as 'state ' .. JSON, 6 its time, 7 seconds to keep deliveries
local entry = redis.call('HGET', KEYS[2], A[4])
local old = entry and string.match(entry, '^[^?%s]%S*')
local new = string.match(A[5], '^%S+')
if old and not (old == 'unknown' and new ~= 'unknown') then return answer() end
begin_write()
redis.call('HSET', KEYS[2], A[4], A[5])
redis.call('ZADD', KEYS[3], A[6], A[4])
redis.call('ZREM', KEYS[4], A[3] .. ' ' .. A[4])
redis.call('EXPIRE', KEYS[2], A[7])
redis.call('EXPIRE', KEYS[3], A[7])
return answer()
