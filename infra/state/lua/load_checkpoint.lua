-- KEYS: 1 the positions, 2… the heads of lost shards. Answers nothing when a shard lacks more than what came after them.
for i = 2, #KEYS do
  local head = redis.call('HMGET', KEYS[i], 'status', 'complete')
  if head[1] == 'ready' or head[2] ~= '1' then return false end
end
return redis.call('GET', KEYS[1])
