-- The newest, oldest first. KEYS: head, turns, order    ARGV: 3 limit
local out = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], -tonumber(A[3]), -1)) do
  out[#out + 1] = redis.call('HGET', KEYS[2], id)
end
return answer(out)
