-- KEYS: head, lines    ARGV: 3 new state, 4 ' ' .. states it may follow .. ' ', 5… message ids
begin_write()
for i = 5, #A do
  local line = redis.call('HGET', KEYS[2], A[i])
  local state = line and string.match(line, '^%a+')
  if state and string.find(A[4], ' ' .. state .. ' ', 1, true) then
    redis.call('HSET', KEYS[2], A[i], A[3] .. string.sub(line, #state + 1))
  end
end
return answer()
