-- KEYS: head    ARGV: 1 id of the rebuild, 2 the time in microseconds. Fencing tokens start there: above every one that
-- was given out before, also when the clock was set back.
local base = ARGV[2]
local old = redis.call('HGET', KEYS[1], 'base')
if old and tonumber(old) >= tonumber(base) then
  base = string.format('%.0f', tonumber(old) + 1e9)
end
redis.call('HSET', KEYS[1], 'status', 'rebuilding', 'rebuild', ARGV[1], 'base', base)
return redis.status_reply('OK')
