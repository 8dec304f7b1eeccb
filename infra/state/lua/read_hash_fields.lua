-- One field of each of several hashes, which may be on several shards.
-- KEYS: head and hash of each    ARGV: epoch and seq as in includes/shard_head.lua, and the field, of each
-- Only if all shards are as they should be: which one is not, and why, tells a call for each of them.
local out = {}
for i = 1, #KEYS / 2 do
  local key, given = KEYS[2 * i - 1], 3 * i - 2
  local head = redis.call('HMGET', key, 'epoch', 'seq', 'status', 'schema')
  local is_older = head[1] == ARGV[given] and tonumber(head[2]) < tonumber(ARGV[given + 1])
  if head[3] ~= 'ready' or (head[4] or '1') ~= '@SCHEMA@' or is_older then
    return redis.error_reply('STATE_LOST a shard has to be looked at')
  end
  out[3 * i - 2], out[3 * i - 1] = head[1], head[2]
  out[3 * i] = redis.call('HGET', KEYS[2 * i], ARGV[given + 2])
end
return out
