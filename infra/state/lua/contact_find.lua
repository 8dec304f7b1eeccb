-- The contacts with these addresses, as pairs of id and body. An address leads to a contact's id; a contact that was
-- merged into another is kept as '>' .. id. KEYS: head, contacts, address…
if not ours then return answer({}) end
local out, seen = {}, {}
for i = 3, #KEYS do
  local id = redis.call('GET', KEYS[i])
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
