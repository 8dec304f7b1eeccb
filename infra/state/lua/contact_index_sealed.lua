-- Notes that all contacts of a tenant are sealed, and under which key they are found. KEYS: head, the note
-- ARGV: 3 name of the key
begin_write()
redis.call('SET', KEYS[2], A[3])
return answer()
