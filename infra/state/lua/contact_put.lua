-- Writes a contact if nothing it was made from has changed since it was read, and if each address still leads to one
-- of those. An address leads to who has it, else to who had it last. The terms by which it is found change with it.
-- KEYS: head, contacts, address…, address left…, index of contacts
-- ARGV: 3 how many addresses, 4 contact id, 5 the new body, 6 how many were read, then of each that was read: id, body
-- ('' for none), and the body to write ('' to leave it; '>' .. id of the one it was merged into), then of each changed
-- term: '+' or '-', channel, and term with contact
if not ours then return answer(1) end
local index, allowed, read = KEYS[#KEYS], {}, 6 + 3 * tonumber(A[6])
for i = 7, read, 3 do
  if (redis.call('GET', KEYS[2] .. ':' .. A[i]) or '') ~= A[i + 1] then return answer(0) end
  allowed[A[i]] = true
end
local last = 2 + tonumber(A[3])
for i = 3, last do
  local id = redis.call('GET', KEYS[i])
  local body = id and redis.call('GET', KEYS[2] .. ':' .. id)
  while body and string.sub(body, 1, 1) == '>' do
    id = string.sub(body, 2)
    body = redis.call('GET', KEYS[2] .. ':' .. id)
  end
  if body and not allowed[id] then return answer(0) end
end
if not allowed[A[4]] and redis.call('EXISTS', KEYS[2] .. ':' .. A[4]) == 1 then return answer(0) end
begin_write()
for i = 7, read, 3 do
  if A[i + 2] ~= '' then redis.call('SET', KEYS[2] .. ':' .. A[i], A[i + 2]) end
  if string.sub(A[i + 2], 1, 1) == '>' then redis.call('SADD', index .. ':m:' .. string.sub(A[i + 2], 2), A[i]) end
end
redis.call('SET', KEYS[2] .. ':' .. A[4], A[5])
for i = 3, last do
  redis.call('SET', KEYS[i], A[4])
end
for i = last + 1, #KEYS - 1 do
  redis.call('SETNX', KEYS[i], A[4])
end
for i = read + 1, #A, 3 do
  if A[i] == '+' then
    redis.call('ZADD', index .. ':t:' .. A[i + 1], 0, A[i + 2])
  else
    redis.call('ZREM', index .. ':t:' .. A[i + 1], A[i + 2])
  end
end
return answer(1)
