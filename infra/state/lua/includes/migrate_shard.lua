-- One step on one shard, and its version with it.
-- KEYS: head, start of the shard's keys    ARGV: 1 the version before, 2 the version after
-- A shard of another version has taken the step already, or was made meanwhile.
if redis.call('EXISTS', KEYS[1]) == 0 or (redis.call('HGET', KEYS[1], 'schema') or '0') ~= ARGV[1] then return 0 end
local function step()
@STEP@
end
step()
redis.call('HSET', KEYS[1], 'schema', ARGV[2])
return 1
