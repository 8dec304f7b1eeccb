-- KEYS: head    ARGV: 1 id of the rebuild, 2 the new epoch, 3 the history whose checkpoint was used, '' for the whole log.
-- A new epoch voids every seq that processes have seen.
local head = redis.call('HMGET', KEYS[1], 'status', 'rebuild')
if head[1] ~= 'rebuilding' or head[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', 'ready', 'epoch', ARGV[2], 'seq', 0, 'complete', '1', 'inherited', ARGV[3])
return 1
