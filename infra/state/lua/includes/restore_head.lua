-- Runs before every script that fills a shard during a rebuild. ARGV[1] is the id of the rebuild: whoever was
-- overtaken by another rebuild, or works on a shard that is alive, changes nothing. ARGV[2] is not used here, so that
-- scripts of normal work can also run behind this head.
local A = ARGV
local head = redis.call('HMGET', KEYS[1], 'status', 'rebuild', 'base')
local ours = head[1] == 'rebuilding' and head[2] == A[1]
local function begin_write() end
local function answer(...)
  return {...}
end

