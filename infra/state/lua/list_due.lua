-- Members of a time index of this shard, oldest first. KEYS: head, index    ARGV: 3 before, 4 limit
return answer(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. A[3], 'WITHSCORES', 'LIMIT', 0, A[4]))
