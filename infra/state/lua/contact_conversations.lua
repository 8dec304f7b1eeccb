-- The conversations on this shard that contacts began, as triples of contact, conversation and time of last activity.
-- KEYS: head, conversations of contacts, start of the keys of conversations    ARGV: 3 tenant, 4… contact ids
local out = {}
for i = 4, #A do
  for _, id in ipairs(redis.call('SMEMBERS', KEYS[2] .. ':' .. A[3] .. ':' .. A[i])) do
    local updated = redis.call('HGET', KEYS[3] .. ':' .. id, 'updated')
    if updated then
      out[#out + 1] = A[i]
      out[#out + 1] = id
      out[#out + 1] = updated
    end
  end
end
return answer(out)
