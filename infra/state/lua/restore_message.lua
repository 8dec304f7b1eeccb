-- A line of the transcript under its number, or under the promised or next one when that is 0.
-- KEYS: head, conversation, lines, numbers, promised numbers    ARGV: 2 message id, 3 line, 4 number or 0
if not ours or redis.call('HEXISTS', KEYS[3], A[2]) == 1 then return 0 end
local number = redis.call('HGET', KEYS[5], A[2])
if number then
  redis.call('HDEL', KEYS[5], A[2])
end
if A[4] ~= '0' then number = A[4] end
local top = tonumber(redis.call('HGET', KEYS[2], 'head') or 0)
number = tonumber(number or top + 1)
if number > top then redis.call('HSET', KEYS[2], 'head', number) end
redis.call('HSET', KEYS[3], A[2], A[3])
redis.call('ZADD', KEYS[4], number, A[2])
return 1
