-- Answers the origin of the conversation, of a living shard too: an external id may lead from a lost shard to it.
-- keys: conversation, deliveries, times of deliveries
-- arguments: message id, outcome as 'state ' .. JSON, its time, seconds to keep deliveries
local function one(K, a)
  if ours then
    local old = redis.call('HGET', K[2], a[1])
    if not old or string.match(old, '^%S+') == 'unknown' then
      redis.call('HSET', K[2], a[1], a[2])
      redis.call('ZADD', K[3], a[3], a[1])
      redis.call('EXPIRE', K[2], a[4])
      redis.call('EXPIRE', K[3], a[4])
    end
  end
  return redis.call('HGET', K[1], 'origin')
end
