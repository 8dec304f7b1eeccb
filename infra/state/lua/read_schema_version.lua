-- KEYS: head    Answers the version of what the shard holds; nil where there is nothing yet.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('HGET', KEYS[1], 'schema') or '0'
