-- For each contact, its id and all that were merged into it, one after the other. KEYS: head, index of contacts
-- ARGV: 3… contact ids
local out = {}
for i = 3, #A do
  local same, seen = {A[i]}, {[A[i]] = true}
  local at = 1
  while same[at] do
    for _, id in ipairs(redis.call('SMEMBERS', KEYS[2] .. ':m:' .. same[at])) do
      if not seen[id] then
        seen[id] = true
        same[#same + 1] = id
      end
    end
    at = at + 1
  end
  out[#out + 1] = same
end
return answer(out)
