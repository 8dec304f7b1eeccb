-- KEYS: head, lines    ARGV: 3 message id, 4 text, 5 revision (0: none)
local line = redis.call('HGET', KEYS[2], A[3])
if not line then return answer(0) end
local state, known, length, at = string.match(line, '^(%a+) (%S+) (%d+)\n()')
local rest = string.sub(line, at + tonumber(length))
if A[5] ~= '0' then
  local before, others = string.match(rest, '^{"revision":(%d+),()')
  if before and tonumber(before) > tonumber(A[5]) then return answer(0) end
  rest = '{"revision":' .. A[5] .. ',' .. string.sub(rest, others or 2)
end
begin_write()
if A[4] == '' then known = '-' end
redis.call('HSET', KEYS[2], A[3], state .. ' ' .. known .. ' ' .. #A[4] .. '\n' .. A[4] .. rest)
return answer(1)
