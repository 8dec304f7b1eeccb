-- keys: value    arguments: value, seconds to keep it
local function one(K, a)
  if ours then redis.call('SET', K[1], a[1], 'EX', a[2]) end
  return 0
end
