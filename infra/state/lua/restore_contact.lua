-- KEYS: head, contacts, address…    ARGV: 2 contact id, 3 body
if not ours then return 0 end
redis.call('SET', KEYS[2] .. ':' .. A[2], A[3])
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], A[2])
end
return 1
