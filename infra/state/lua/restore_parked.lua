-- A record that the log says was parked. What is still there stays as it is, the time it waits for included.
-- keys: records, order, index of the group    arguments: conversation, until and partition, position, offset, record
local function one(K, a)
  if not ours then return 0 end
  redis.call('HSETNX', K[1], a[3], a[5])
  redis.call('ZADD', K[2], a[4], a[3])
  redis.call('HSETNX', K[3], a[1], a[2])
  return 1
end
