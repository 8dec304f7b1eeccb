-- KEYS: head, outbox, unpublished, turns, order of turns
-- ARGV: 3 conversation, 4 how many turns to keep, 5 number of turns, triples of turn id, its time and the event id that
--       its record has in the outbox, then event ids
-- A record that is not in the outbox any more was taken out together with this very step.
begin_write()
local last = 5 + 3 * tonumber(A[5])
for i = 6, last, 3 do
  local entry = redis.call('HGET', KEYS[2], A[i + 2])
  -- The payload is what follows the line of headers.
  local turn = entry and string.sub(entry, string.find(entry, '\n', 1, true) + 1)
  if turn and redis.call('HSETNX', KEYS[4], A[i], turn) == 1 then
    redis.call('ZADD', KEYS[5], A[i + 1], A[i])
    for _, old in ipairs(redis.call('ZRANGE', KEYS[5], 0, -tonumber(A[4]) - 1)) do
      redis.call('HDEL', KEYS[4], old)
      redis.call('ZREM', KEYS[5], old)
    end
  end
end
for i = last + 1, #A do
  redis.call('HDEL', KEYS[2], A[i])
end
local oldest
for _, entry in ipairs(redis.call('HVALS', KEYS[2])) do
  local at = string.match(entry, '^%d+')
  if not oldest or tonumber(at) < tonumber(oldest) then oldest = at end
end
if oldest then
  redis.call('ZADD', KEYS[3], oldest, A[3])
else
  redis.call('ZREM', KEYS[3], A[3])
end
return answer()
