-- Notes that the index holds all contacts of a tenant: 'for now' the first time, because processes of an earlier
-- release may still be writing, and 'for good' the second time. KEYS: head, the note    ARGV: 3 seconds for now
begin_write()
if redis.call('EXISTS', KEYS[2] .. ':before') == 1 then
  redis.call('SET', KEYS[2], 'for good')
else
  redis.call('SET', KEYS[2] .. ':before', 1)
  redis.call('SET', KEYS[2], 'for now', 'EX', A[3])
end
return answer()
