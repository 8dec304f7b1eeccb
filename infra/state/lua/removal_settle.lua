-- Forgets a removal, unless the item is there again. KEYS: head, removals, item
-- ARGV: 3 kind and id, 4 kind, 5 whether it is forgotten in any case
local is_there = false
if A[4] == 'conversation' then is_there = redis.call('HEXISTS', KEYS[3], 'origin') == 1 end
if A[4] == 'contact' then is_there = redis.call('EXISTS', KEYS[3]) == 1 end
if is_there and A[5] ~= '1' then return answer(0) end
begin_write()
redis.call('HDEL', KEYS[2], A[3])
return answer(1)
