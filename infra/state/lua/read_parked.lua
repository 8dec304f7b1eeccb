-- KEYS: head, records, order    ARGV: 3 limit
local out = {}
for _, position in ipairs(redis.call('ZRANGE', KEYS[3], 0, tonumber(A[3]) - 1)) do
  out[#out + 1] = redis.call('HGET', KEYS[2], position)
end
return answer(out)
