-- A line is stored as "state fingerprint length\n" .. text .. the other fields as JSON, so that scripts can change
-- state and text without decoding JSON.
-- A number that a snapshot promised to this message is used before a new one is taken.
-- KEYS: head, conversation, lines, numbers, promised numbers    ARGV: 3 message id, 4 fingerprint, 5 line
local line = redis.call('HGET', KEYS[3], A[3])
if line then
  local known = string.match(line, '^%a+ (%S+) ')
  if known ~= '-' and known ~= A[4] then return answer('reused') end
  return answer(redis.call('ZSCORE', KEYS[4], A[3]))
end
wrote()
local number = redis.call('HGET', KEYS[5], A[3])
if number then
  redis.call('HDEL', KEYS[5], A[3])
else
  number = redis.call('HINCRBY', KEYS[2], 'head', 1)
end
redis.call('HSET', KEYS[3], A[3], A[5])
redis.call('ZADD', KEYS[4], number, A[3])
return answer(number)
