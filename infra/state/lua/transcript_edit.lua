-- KEYS: head, lines    ARGV: 3 message id, 4 text
local line = redis.call('HGET', KEYS[2], A[3])
if not line then return answer(0) end
wrote()
local state, known, length, at = string.match(line, '^(%a+) (%S+) (%d+)\n()')
if A[4] == '' then known = '-' end
redis.call('HSET', KEYS[2], A[3], state .. ' ' .. known .. ' ' .. #A[4] .. '\n' .. A[4] .. string.sub(line, at + tonumber(length)))
return answer(1)
