-- keys: intents, outcomes, times of intents, due index
-- arguments: conversation, key, entry, its time, when it is due, seconds to keep entries
local function one(K, a)
  if not ours or redis.call('HSETNX', K[1], a[2], a[3]) == 0 then return 0 end
  redis.call('ZADD', K[3], a[4], a[2])
  redis.call('EXPIRE', K[1], a[6])
  redis.call('EXPIRE', K[3], a[6])
  if redis.call('HEXISTS', K[2], a[2]) == 0 then redis.call('ZADD', K[4], a[5], a[1] .. ' ' .. a[2]) end
  return 1
end
