-- A line of the transcript under its promised number, else under the one given, else (0, or taken) under the next.
-- KEYS: head, conversation, lines, numbers, promised numbers    ARGV: 3 message id, 4 line, 5 number or 0
if not ours or redis.call('HEXISTS', KEYS[3], A[3]) == 1 then return 0 end
local number = redis.call('HGET', KEYS[5], A[3])
redis.call('HDEL', KEYS[5], A[3])
if not number and A[5] ~= '0' and redis.call('ZCOUNT', KEYS[4], A[5], A[5]) == 0 then number = A[5] end
local top = tonumber(redis.call('HGET', KEYS[2], 'head') or 0)
number = tonumber(number or top + 1)
if number > top then redis.call('HSET', KEYS[2], 'head', number) end
redis.call('HSET', KEYS[3], A[3], A[4])
redis.call('ZADD', KEYS[4], number, A[3])
return 1
