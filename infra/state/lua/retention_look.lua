-- When the conversation was created, the time of its oldest turn, and its first line.
-- KEYS: head, conversation, order of turns, lines, numbers
local turn = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local first = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
return answer(redis.call('HGET', KEYS[2], 'created'), turn or false, lines_of(KEYS[4], first))
