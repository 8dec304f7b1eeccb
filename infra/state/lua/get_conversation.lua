-- KEYS: head, conversation
return answer(
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts',
    'holder'))
