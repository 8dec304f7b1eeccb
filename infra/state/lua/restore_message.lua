-- A line of the transcript under the number given, else (0, or taken) under its promised one, else under the next. A
-- line that is there gets the new content and keeps its number.
-- keys: conversation, lines, numbers, promised numbers    arguments: message id, line, number or 0
local function is_free(numbers, number)
  return number and number ~= '0' and redis.call('ZCOUNT', numbers, number, number) == 0
end

local function one(K, a)
  if not ours then return 0 end
  if redis.call('HEXISTS', K[2], a[1]) == 1 then
    redis.call('HSET', K[2], a[1], a[2])
    return 1
  end
  local promised = redis.call('HGET', K[4], a[1])
  redis.call('HDEL', K[4], a[1])
  local top = tonumber(redis.call('HGET', K[1], 'head') or 0)
  local number = tonumber(is_free(K[3], a[3]) and a[3] or is_free(K[3], promised) and promised or top + 1)
  if number > top then redis.call('HSET', K[1], 'head', number) end
  redis.call('HSET', K[2], a[1], a[2])
  redis.call('ZADD', K[3], number, a[1])
  return 1
end
