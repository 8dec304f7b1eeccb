-- Answers the origin of the conversation, of a living shard too: an external id may lead from a lost shard to it.
-- KEYS: head, conversation, deliveries, times of deliveries
-- ARGV: 3 message id, 4 outcome as 'state ' .. JSON, 5 its time, 6 seconds to keep deliveries
if ours then
  local old = redis.call('HGET', KEYS[3], A[3])
  if not old or string.match(old, '^%S+') == 'unknown' then
    redis.call('HSET', KEYS[3], A[3], A[4])
    redis.call('ZADD', KEYS[4], A[5], A[3])
    redis.call('EXPIRE', KEYS[3], A[6])
    redis.call('EXPIRE', KEYS[4], A[6])
  end
end
return redis.call('HGET', KEYS[2], 'origin')
