-- Keep positions on the log, if the state was complete and on the same server since the caller asked for the id of the
-- server's history. Answers that id now; '' while shards are lost, or on a server that nobody has checked.
-- KEYS: 1 the positions, 2 the id of the history that the state belongs to, 3… the heads of all shards
-- ARGV: 1 the id that the caller was told, 2 the positions, read after that
local info = redis.call('INFO', 'replication')
local id = info:match('master_replid:(%x+)')
if info:match('role:(%a+)') ~= 'master' or redis.call('GET', KEYS[2]) ~= id then return '' end
for i = 3, #KEYS do
  local head = redis.call('HMGET', KEYS[i], 'status', 'complete')
  if head[1] ~= 'ready' then return '' end
  if head[2] ~= '1' then redis.call('HSET', KEYS[i], 'complete', '1') end
end
if ARGV[1] == id then redis.call('SET', KEYS[1], ARGV[2]) end
return id
