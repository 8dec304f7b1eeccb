-- The newest conversations of a tenant on this shard that come after the cursor.
-- KEYS: head, listing, channels of tenants
-- ARGV: 3 tenant, 4 channel or '', 5 time of the cursor or '', 6 conversation of the cursor, 7 limit, 8… owners
local limit = tonumber(A[7])
local channels = A[4] ~= '' and {A[4]} or redis.call('SMEMBERS', KEYS[3] .. ':' .. A[3])
local found = {}
local function take(pairs_)
  for i = 1, #pairs_, 2 do
    found[#found + 1] = {pairs_[i], pairs_[i + 1]}
  end
end
for _, channel in ipairs(channels) do
  for i = 8, #A do
    local key = KEYS[2] .. ':' .. A[3] .. ':' .. channel .. ':' .. A[i]
    if A[5] == '' then
      take(redis.call('ZREVRANGE', key, 0, limit - 1, 'WITHSCORES'))
    else
      for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', key, A[5], A[5])) do
        if id < A[6] then found[#found + 1] = {id, A[5]} end
      end
      take(redis.call('ZREVRANGEBYSCORE', key, '(' .. A[5], '-inf', 'WITHSCORES', 'LIMIT', 0, limit))
    end
  end
end
table.sort(found, function(a, b)
  if a[2] ~= b[2] then return tonumber(a[2]) > tonumber(b[2]) end
  return a[1] > b[1]
end)
local out = {}
for i = 1, math.min(limit, #found) do
  out[#out + 1] = found[i][1]
  out[#out + 1] = found[i][2]
end
return answer(out)
