-- A line of the transcript under its promised number, else under the one given, else (0, or taken) under the next. A
-- line that is there gets the new content and keeps its number.
-- keys: conversation, lines, numbers, promised numbers    arguments: message id, line, number or 0
local function one(K, a)
  if not ours then return 0 end
  if redis.call('HEXISTS', K[2], a[1]) == 1 then
    redis.call('HSET', K[2], a[1], a[2])
    return 1
  end
  local number = redis.call('HGET', K[4], a[1])
  redis.call('HDEL', K[4], a[1])
  if not number and a[3] ~= '0' and redis.call('ZCOUNT', K[3], a[3], a[3]) == 0 then number = a[3] end
  local top = tonumber(redis.call('HGET', K[1], 'head') or 0)
  number = tonumber(number or top + 1)
  if number > top then redis.call('HSET', K[1], 'head', number) end
  redis.call('HSET', K[2], a[1], a[2])
  redis.call('ZADD', K[3], number, a[1])
  return 1
end
