-- Writes a contact if nothing it was made from has changed since it was read, and if each address still leads to one
-- of those. KEYS: head, contacts, address…
-- ARGV: 3 contact id, 4 the new body, then pairs of id and body ('' for none) of those read
if not ours then return answer(1) end
local allowed = {}
for i = 5, #A, 2 do
  if (redis.call('GET', KEYS[2] .. ':' .. A[i]) or '') ~= A[i + 1] then return answer(0) end
  allowed[A[i]] = true
end
for i = 3, #KEYS do
  local id = redis.call('GET', KEYS[i])
  local body = id and redis.call('GET', KEYS[2] .. ':' .. id)
  while body and string.sub(body, 1, 1) == '>' do
    id = string.sub(body, 2)
    body = redis.call('GET', KEYS[2] .. ':' .. id)
  end
  if body and not allowed[id] then return answer(0) end
end
if #A == 4 and redis.call('EXISTS', KEYS[2] .. ':' .. A[3]) == 1 then return answer(0) end
wrote()
redis.call('SET', KEYS[2] .. ':' .. A[3], A[4])
for i = 5, #A, 2 do
  if A[i] ~= A[3] then redis.call('SET', KEYS[2] .. ':' .. A[i], '>' .. A[3]) end
end
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], A[3])
end
return answer(1)
