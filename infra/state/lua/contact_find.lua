-- The contacts with these addresses, as pairs of id and body. An address leads to a contact's id, by the first of its
-- keys that is there; a contact that was merged into another is kept as '>' .. id.
-- KEYS: head, contacts, the keys of each address    ARGV: 3 keys of each address
if not ours then return answer({}) end
local out, seen, each = {}, {}, tonumber(A[3])
for first = 3, #KEYS, each do
  local id
  for i = first, first + each - 1 do id = id or redis.call('GET', KEYS[i]) end
  local body = id and redis.call('GET', KEYS[2] .. ':' .. id)
  while body and string.sub(body, 1, 1) == '>' do
    id = string.sub(body, 2)
    body = redis.call('GET', KEYS[2] .. ':' .. id)
  end
  if body and not seen[id] then
    seen[id] = true
    out[#out + 1] = id
    out[#out + 1] = body
  end
end
return answer(out)
