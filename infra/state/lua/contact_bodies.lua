-- Contacts as they are stored, also those that were merged. KEYS: head, contacts    ARGV: 3… contact ids
local out = {}
for i = 3, #A do
  out[#out + 1] = redis.call('GET', KEYS[2] .. ':' .. A[i])
end
return answer(out)
