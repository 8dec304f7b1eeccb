-- KEYS: head, outbox, unpublished    ARGV: 3 conversation, 4… event ids
wrote()
for i = 4, #A do
  redis.call('HDEL', KEYS[2], A[i])
end
local oldest
for _, entry in ipairs(redis.call('HVALS', KEYS[2])) do
  local at = string.match(entry, '^%d+')
  if not oldest or tonumber(at) < tonumber(oldest) then oldest = at end
end
if oldest then
  redis.call('ZADD', KEYS[3], oldest, A[3])
else
  redis.call('ZREM', KEYS[3], A[3])
end
return answer()
