-- Works on shards that are lost, because the rebuild needs it; so there is no head here. Tokens start from the time:
-- they keep growing when Redis is emptied. KEYS: lease    ARGV: 1 holder, 2 now, 3 until
local lease = redis.call('HMGET', KEYS[1], 'holder', 'until', 'token')
if lease[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'until', ARGV[3])
  return lease[3]
end
if lease[1] and tonumber(lease[2]) > tonumber(ARGV[2]) then return false end
local token = ARGV[2]
if lease[3] and tonumber(lease[3]) >= tonumber(token) then
  token = string.format('%.0f', tonumber(lease[3]) + 1)
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', ARGV[3], 'token', token)
return token
