-- KEYS: those of create, 6 handled, 7 outbox
-- ARGV: those of create, 8… event ids
wrote()
if is_new() then create() end
local token = redis.call('HINCRBY', KEYS[2], 'token', 1)
local known = {}
for i = 8, #A do
  known[i - 7] = redis.call('ZSCORE', KEYS[6], A[i]) and 1 or 0
end
return answer(token, known, redis.call('HVALS', KEYS[7]),
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts'))
