-- KEYS: head, turns, order    ARGV: 3 how many
local newest = redis.call('ZREVRANGE', KEYS[3], 0, tonumber(A[3]) - 1)
if #newest == 0 then
  return answer({})
end
return answer(redis.call('HMGET', KEYS[2], unpack(newest)))
