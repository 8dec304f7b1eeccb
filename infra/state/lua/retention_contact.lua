-- Removes a contact that has not changed since it was read, with those that were merged into it, and notes that.
-- Answers their ids.
-- KEYS: head, contacts, index of contacts, removals, unused keys of the tenant, address…
-- ARGV: 3 contact, 4 its body, 5 note of its removal, then pairs of channel, and term with contact
if redis.call('GET', KEYS[2] .. ':' .. A[3]) ~= A[4] then return answer({}) end
begin_write()
local same, at = {A[3]}, 1
while same[at] do
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[3] .. ':m:' .. same[at])) do same[#same + 1] = id end
  at = at + 1
end
for _, id in ipairs(same) do
  for i = 6, #KEYS do
    if redis.call('GET', KEYS[i]) == id then redis.call('DEL', KEYS[i]) end
  end
  redis.call('DEL', KEYS[2] .. ':' .. id, KEYS[3] .. ':m:' .. id)
  redis.call('HSET', KEYS[4], 'contact ' .. id, A[5])
  redis.call('ZADD', KEYS[5], 0, id)
end
for i = 6, #A, 2 do
  redis.call('ZREM', KEYS[3] .. ':t:' .. A[i], A[i + 1])
end
return answer(same)
