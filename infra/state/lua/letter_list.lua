-- Newest first. KEYS: head, letters, replays, order    ARGV: 3 time of the cursor or '', 4 id of the cursor, 5 limit
local limit = tonumber(A[5])
local found = {}
local function take(pairs_)
  for i = 1, #pairs_, 2 do
    if #found < limit then found[#found + 1] = {pairs_[i], pairs_[i + 1]} end
  end
end
if A[3] == '' then
  take(redis.call('ZREVRANGE', KEYS[4], 0, limit - 1, 'WITHSCORES'))
else
  for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', KEYS[4], A[3], A[3])) do
    if id < A[4] then take({id, A[3]}) end
  end
  take(redis.call('ZREVRANGEBYSCORE', KEYS[4], '(' .. A[3], '-inf', 'WITHSCORES', 'LIMIT', 0, limit))
end
local out = {}
for _, one in ipairs(found) do
  out[#out + 1] = one[2]
  out[#out + 1] = redis.call('HGET', KEYS[2], one[1])
  out[#out + 1] = redis.call('HGET', KEYS[3], one[1])
end
return answer(out)
