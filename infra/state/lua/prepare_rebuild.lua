-- KEYS: head    ARGV: 1 id of the rebuild, 2 the time in microseconds, 3 whether the shard's rows stay. Fencing tokens
-- start at that time: above every one that was given out before, also when the clock was set back. A shard of another
-- schema is left alone: what a rebuild does not bring back would stay as that schema has it.
local schema = redis.call('HGET', KEYS[1], 'schema')
if redis.call('EXISTS', KEYS[1]) == 1 and (schema or '1') ~= '@SCHEMA@' then
  return redis.error_reply('SCHEMA_MISMATCH ' .. (schema or '1'))
end
local base = ARGV[2]
local old = redis.call('HGET', KEYS[1], 'base')
if old and tonumber(old) >= tonumber(base) then
  base = string.format('%.0f', tonumber(old) + 1e9)
end
redis.call('HSET', KEYS[1], 'status', 'rebuilding', 'rebuild', ARGV[1], 'base', base, 'schema', '@SCHEMA@')
if ARGV[3] == '0' then redis.call('HSET', KEYS[1], 'complete', '0') end
return redis.status_reply('OK')
