-- How many of a tenant's conversations on this shard have one kind of owner.
-- KEYS: head, listing, channels of tenants
-- ARGV: 3 tenant, 4 channel or '', 5 owner
local channels = A[4] ~= '' and {A[4]} or redis.call('SMEMBERS', KEYS[3] .. ':' .. A[3])
local total = 0
for _, channel in ipairs(channels) do
  total = total + redis.call('ZCARD', KEYS[2] .. ':' .. A[3] .. ':' .. channel .. ':' .. A[5])
end
return answer(total)
