-- Adds a contact that an earlier release has stored to the index, unless it has changed since it was read.
-- KEYS: head, contacts, index of contacts    ARGV: 3 contact id, 4 its body, then pairs of channel, and term with contact
if redis.call('GET', KEYS[2] .. ':' .. A[3]) ~= A[4] then return answer(0) end
begin_write()
if string.sub(A[4], 1, 1) == '>' then redis.call('SADD', KEYS[3] .. ':m:' .. string.sub(A[4], 2), A[3]) end
for i = 5, #A, 2 do
  redis.call('ZADD', KEYS[3] .. ':t:' .. A[i], 0, A[i + 1])
end
return answer(1)
