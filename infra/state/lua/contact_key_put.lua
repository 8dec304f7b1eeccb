-- Stores the key of a contact unless one of the same or a higher rank is there. KEYS: head, keys of the tenant
-- ARGV: 3 contact, 4 rank, 5 the key as JSON. All ranks have the same length. Returns what is stored then.
local known = redis.call('HGET', KEYS[2], A[3])
if not ours or (known and string.sub(known, 1, #A[4]) >= A[4]) then return answer(known) end
begin_write()
redis.call('HSET', KEYS[2], A[3], A[4] .. A[5])
return answer(A[4] .. A[5])
