-- KEYS: head, conversation, handled, outbox, listing, counts, channels of tenants
-- ARGV: 3 conversation, 4 now, 5 origin, 6 tenant, 7 channel, 8… event ids
local c = redis.call('HGET', KEYS[2], 'origin')
wrote()
if not c then
  local base = redis.call('HGET', KEYS[1], 'base')
  local kind = A[6] .. ':' .. A[7]
  redis.call('HSET', KEYS[2], 'origin', A[5], 'kind', kind, 'owner', 'agent', 'epoch', 0, 'floor', 0, 'version', 0,
    'created', A[4], 'updated', A[4], 'facts', '{}', 'token', base)
  redis.call('ZADD', KEYS[5] .. ':' .. kind .. ':agent', A[4], A[3])
  redis.call('HINCRBY', KEYS[6], 'agent', 1)
  redis.call('SADD', KEYS[7] .. ':' .. A[6], A[7])
end
local token = redis.call('HINCRBY', KEYS[2], 'token', 1)
local known = {}
for i = 8, #A do
  known[i - 7] = redis.call('ZSCORE', KEYS[3], A[i]) and 1 or 0
end
return answer(token, known, redis.call('HVALS', KEYS[4]),
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts'))
