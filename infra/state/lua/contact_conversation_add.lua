-- Adds a conversation that an earlier release has stored to those of its contact.
-- KEYS: head, conversations of contacts    ARGV: 3 tenant, 4 contact id, 5 conversation
begin_write()
redis.call('SADD', KEYS[2] .. ':' .. A[3] .. ':' .. A[4], A[5])
return answer()
