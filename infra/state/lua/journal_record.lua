-- KEYS: head, intents, outcomes, due index    ARGV: 3 conversation, 4 key, 5 outcome, 6 whether resolved, 7 seconds to keep
if redis.call('HEXISTS', KEYS[2], A[4]) == 0 then return answer() end
begin_write()
settle(KEYS[3], KEYS[4], A[3] .. ' ' .. A[4], A[4], A[5], A[6], A[7])
return answer()
