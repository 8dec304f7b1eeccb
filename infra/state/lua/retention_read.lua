-- A conversation with its token, whether somebody waits for something of it, and its first lines.
-- KEYS: those of includes/awaited_work.lua, 8 lines, 9 numbers, 10… indexes of parked records
-- ARGV: 3 conversation, 4 how many lines
local fields =
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts',
    'holder')
local lines = lines_of(KEYS[8], redis.call('ZRANGE', KEYS[9], 0, tonumber(A[4]) - 1, 'WITHSCORES'))
return answer(fields, redis.call('HGET', KEYS[2], 'token'), is_awaited(10) and 1 or 0, lines)
