-- The token stays behind, so that the next holder's is higher. KEYS: lease    ARGV: 1 holder
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'holder', 'until')
end
return false
