-- Some of the removals that are not settled. KEYS: head, removals    ARGV: 3 how many
if redis.call('HLEN', KEYS[2]) <= tonumber(A[3]) then return answer(redis.call('HGETALL', KEYS[2])) end
return answer(redis.call('HSCAN', KEYS[2], '0', 'COUNT', A[3])[2])
