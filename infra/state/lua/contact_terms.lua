-- Rows of the index of contacts, as terms with their contacts. KEYS: head, index of contacts
-- ARGV: 3 channel, 4 first, 5 last (as ZRANGEBYLEX takes them), 6 how many
return answer(redis.call('ZRANGEBYLEX', KEYS[2] .. ':t:' .. A[3], A[4], A[5], 'LIMIT', 0, A[6]))
