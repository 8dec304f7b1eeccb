-- Keep positions on the log, if this server has the same history as when the caller asked for its id, before it read
-- the positions. Answers the id now; '' while the shard is lost, or on a server that nobody has checked.
-- KEYS: 1 the checkpoint, 2 the id of the history that the state belongs to, 3 the head of a shard of the server
-- ARGV: 1 the id that the caller was told, 2 the positions
local info = redis.call('INFO', 'replication')
local id = info:match('master_replid:(%x+)')
if info:match('role:(%a+)') ~= 'master' or redis.call('GET', KEYS[2]) ~= id then return '' end
if redis.call('HGET', KEYS[3], 'status') ~= 'ready' then return '' end
if ARGV[1] == id then redis.call('SET', KEYS[1], id .. ' ' .. ARGV[2]) end
return id
