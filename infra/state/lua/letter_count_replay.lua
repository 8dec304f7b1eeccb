-- KEYS: head, letters, replays    ARGV: 3 id
if redis.call('HEXISTS', KEYS[2], A[3]) == 0 then return answer(0) end
begin_write()
return answer(redis.call('HINCRBY', KEYS[3], A[3], 1))
