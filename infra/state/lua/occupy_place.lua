-- Takes one of a limited number of places, unless the occupant has one already.
-- KEYS: head, places    ARGV: 3 occupant, 4 limit, 5 microseconds to keep a place, 6 now
-- Answers 0, or since when the one who has had a place for longest has it.
local oldest, count = tonumber(A[6]), 0
if redis.call('HEXISTS', KEYS[2], A[3]) == 1 then
  return answer(0)
end
begin_write()
if redis.call('HLEN', KEYS[2]) >= tonumber(A[4]) then
  local places = redis.call('HGETALL', KEYS[2])
  for index = 1, #places, 2 do
    local since = tonumber(places[index + 1])
    if since <= tonumber(A[6]) - tonumber(A[5]) then
      redis.call('HDEL', KEYS[2], places[index])
    else
      count, oldest = count + 1, math.min(oldest, since)
    end
  end
  if count >= tonumber(A[4]) then
    return answer(string.format('%.0f', oldest))
  end
end
redis.call('HSET', KEYS[2], A[3], A[6])
redis.call('PEXPIRE', KEYS[2], math.ceil(tonumber(A[5]) / 1000))
return answer(0)
