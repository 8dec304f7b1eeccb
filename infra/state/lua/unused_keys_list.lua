-- Removed contacts whose keys are not settled, in order. KEYS: head, unused keys of the tenant
-- ARGV: 3 contact to begin after, 4 how many
local start = A[3] == '' and '-' or ('(' .. A[3])
return answer(redis.call('ZRANGEBYLEX', KEYS[2], start, '+', 'LIMIT', 0, A[4]))
