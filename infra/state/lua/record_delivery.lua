-- The same rules as rules.replaces_outcome and, with a line, transcript_mark.lua and transcript_add.lua.
-- KEYS: head, deliveries, times of deliveries, intents, conversation, lines, numbers, promised numbers
-- ARGV: 3 conversation, 4 message id, 5 outcome as 'state ' .. JSON, 6 its time, 7 seconds to keep deliveries,
-- with a line also: 8 its state, 9 ' ' .. states it may follow .. ' ', 10 the line to add if it is missing, or ''
local entry = redis.call('HGET', KEYS[2], A[4])
local old = entry and string.match(entry, '^[^?%s]%S*')
local new = string.match(A[5], '^%S+')
if not old or (old == 'unknown' and new ~= 'unknown') then
  begin_write()
  redis.call('HSET', KEYS[2], A[4], A[5])
  redis.call('ZADD', KEYS[3], A[6], A[4])
  redis.call('ZREM', KEYS[4], A[3] .. ' ' .. A[4])
  redis.call('EXPIRE', KEYS[2], A[7])
  redis.call('EXPIRE', KEYS[3], A[7])
end
if not A[8] then return answer(0, 0) end
local line = redis.call('HGET', KEYS[6], A[4])
if not line then
  if A[10] == '' then return answer(0, 0) end
  begin_write()
  return answer(add_line(KEYS[5], KEYS[6], KEYS[7], KEYS[8], A[4], A[10]), 1)
end
local state = string.match(line, '^%a+')
if string.find(A[9], ' ' .. state .. ' ', 1, true) then
  begin_write()
  redis.call('HSET', KEYS[6], A[4], A[8] .. string.sub(line, #state + 1))
end
return answer(redis.call('ZSCORE', KEYS[7], A[4]), 0)
