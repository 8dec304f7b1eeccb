-- The holder's note for the next one. An expired lease still belongs to its holder until another takes it.
-- KEYS: lease    ARGV: 1 token, 2 note
local lease = redis.call('HMGET', KEYS[1], 'holder', 'token')
if not lease[1] or lease[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'note', ARGV[2])
return 1
