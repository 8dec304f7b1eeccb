-- A contact, or the one it was merged into. KEYS: head, contacts    ARGV: 3 contact id
if not ours then return answer(false) end
local body = redis.call('GET', KEYS[2] .. ':' .. A[3])
while body and string.sub(body, 1, 1) == '>' do
  body = redis.call('GET', KEYS[2] .. ':' .. string.sub(body, 2))
end
return answer(body)
