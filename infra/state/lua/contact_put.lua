-- Writes a contact if nothing it was made from has changed since it was read, and if each address still leads to one
-- of those. An address leads to who has it, else to who had it last. KEYS: head, contacts, address…, address left…
-- ARGV: 3 how many addresses, 4 contact id, 5 the new body, then of each that was read: id, body ('' for none), and the
-- body to write ('' to leave it; '>' .. id of the one it was merged into)
if not ours then return answer(1) end
local allowed = {}
for i = 6, #A, 3 do
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
for i = 6, #A, 3 do
  if A[i + 2] ~= '' then redis.call('SET', KEYS[2] .. ':' .. A[i], A[i + 2]) end
end
redis.call('SET', KEYS[2] .. ':' .. A[4], A[5])
for i = 3, last do
  redis.call('SET', KEYS[i], A[4])
end
for i = last + 1, #KEYS do
  redis.call('SETNX', KEYS[i], A[4])
end
return answer(1)
