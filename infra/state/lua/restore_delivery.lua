-- Answers the origin of the conversation, of a living shard too: an external id may lead from a lost shard to it.
-- KEYS: head, conversation, deliveries, times of deliveries
-- ARGV: 2 message id, 3 outcome as 'state ' .. JSON, 4 its time, 5 seconds to keep deliveries
if ours then
  local old = redis.call('HGET', KEYS[3], A[2])
  if not old or string.match(old, '^%S+') == 'unknown' then
    redis.call('HSET', KEYS[3], A[2], A[3])
    redis.call('ZADD', KEYS[4], A[4], A[2])
    redis.call('EXPIRE', KEYS[3], A[5])
    redis.call('EXPIRE', KEYS[4], A[5])
  end
end
return redis.call('HGET', KEYS[2], 'origin')
