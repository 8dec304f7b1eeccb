-- KEYS: head, conversation, lines, numbers, promised numbers    ARGV: 3 message id, 4 fingerprint, 5 line
local known = known_as(KEYS[3], A[3], A[4])
if known == 'reused' then return answer('reused') end
if known then return answer(redis.call('ZSCORE', KEYS[4], A[3])) end
begin_write()
return answer(add_line(KEYS[2], KEYS[3], KEYS[4], KEYS[5], A[3], A[5]))
