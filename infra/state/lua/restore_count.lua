-- keys: keys counted    arguments: key, seconds to keep them
local function one(K, a)
  if not ours then return 0 end
  redis.call('SADD', K[1], a[1])
  redis.call('EXPIRE', K[1], a[2])
  return 1
end
