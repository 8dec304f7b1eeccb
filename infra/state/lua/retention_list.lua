-- The conversations of a tenant on this shard that nobody has or waits for by their owner, as pairs of id and time of
-- last activity, those without activity for longest first.
-- KEYS: head, listing, channels of tenants    ARGV: 3 tenant, 4 most of each kind
local out = {}
for _, channel in ipairs(redis.call('SMEMBERS', KEYS[3] .. ':' .. A[3])) do
  for _, owner in ipairs({'agent', 'closed'}) do
    local key = KEYS[2] .. ':' .. A[3] .. ':' .. channel .. ':' .. owner
    for _, one in ipairs(redis.call('ZRANGE', key, 0, tonumber(A[4]) - 1, 'WITHSCORES')) do
      out[#out + 1] = one
    end
  end
end
return answer(out)
