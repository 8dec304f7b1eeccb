-- Forgets that the key of a removed contact is still to be removed. KEYS: head, unused keys of the tenant
-- ARGV: 3 contact
begin_write()
redis.call('ZREM', KEYS[2], A[3])
return answer()
