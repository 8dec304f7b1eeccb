-- Runs before every script that works on a shard. KEYS[1] is the shard's head; ARGV[1] and ARGV[2] are the epoch the
-- caller knows (or '') and the highest seq it has seen in that epoch. A missing head means that Redis was emptied; a
-- lower seq in the same epoch means that it came back with older data, which is then made visible to every process.
-- A shard of another schema than this script was written for is left alone.
local A = ARGV
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'status', 'schema')
if head[3] and (head[4] or '1') ~= '@SCHEMA@' then
  return redis.error_reply('SCHEMA_MISMATCH ' .. (head[4] or '1'))
end
if head[3] ~= 'ready' then
  return redis.error_reply('STATE_LOST the shard is not set up')
end
if head[1] == A[1] and tonumber(head[2]) < tonumber(A[2]) then
  redis.call('HSET', KEYS[1], 'status', 'lost', 'complete', '0')
  return redis.error_reply('STATE_LOST the shard went back in time')
end
local epoch, seq = head[1], head[2]
local ours = true

-- Must be the first write of a transition: when Redis refuses writes (memory, replica), it refuses here, and nothing
-- of the transition has happened.
local function begin_write()
  seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
end

local function answer(...)
  return {epoch, seq, ...}
end

