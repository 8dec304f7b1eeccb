-- KEYS: head, lines, numbers    ARGV: 3 'after' or 'last', 4 number, 5 limit
local found
if A[3] == 'after' then
  found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. A[4], '+inf', 'WITHSCORES', 'LIMIT', 0, A[5])
else
  found = redis.call('ZRANGE', KEYS[3], -tonumber(A[5]), -1, 'WITHSCORES')
end
return answer(lines_of(KEYS[2], found))
