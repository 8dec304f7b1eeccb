-- Runs on each new connection to a primary that Sentinel named. A promoted replica starts a replication history with an
-- id of its own, and may lack the last writes of the former primary: then all shards are lost, also those that are being
-- rebuilt, before anybody works on them. A restart of the primary starts a new history too, and cannot be told apart.
-- KEYS: 1 the id of the history that the state belongs to, 2… the heads of all shards
local info = redis.call('INFO', 'replication')
if info:match('role:(%a+)') ~= 'master' then
  return redis.error_reply('READONLY the server is a replica')
end
local id = info:match('master_replid:(%x+)')
local known = redis.call('GET', KEYS[1])
if known == id then
  return redis.status_reply('same')
end
local changed = 'new'
for i = 2, #KEYS do
  local status = redis.call('HGET', KEYS[i], 'status')
  if status then
    -- A checkpoint of that history tells what the shard may lack.
    if status == 'ready' then redis.call('HSET', KEYS[i], 'former', known or '') end
    redis.call('HSET', KEYS[i], 'status', 'lost')
    changed = 'replaced'
  end
end
redis.call('SET', KEYS[1], id)
return redis.status_reply(changed)
