-- KEYS: head, conversation, handled, outbox, numbers, promised numbers    ARGV: 3 how many transcript numbers
return answer(
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts',
    'holder'),
  redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'), redis.call('HVALS', KEYS[4]),
  redis.call('ZRANGE', KEYS[5], -tonumber(A[3]), -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[6]))
