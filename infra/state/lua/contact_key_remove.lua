-- Removes the key of a contact if its rank is the one that was read. KEYS: head, keys of the tenant
-- ARGV: 3 contact, 4 rank. Answers whether no key is stored then.
local known = redis.call('HGET', KEYS[2], A[3])
if not known then return answer(1) end
if string.sub(known, 1, #A[4]) ~= A[4] then return answer(0) end
begin_write()
redis.call('HDEL', KEYS[2], A[3])
return answer(1)
