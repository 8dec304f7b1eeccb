-- What transcript_add.lua does with each message, then the last lines as transcript_read.lua answers them.
-- KEYS: head, conversation, lines, numbers, promised numbers    ARGV: 3 limit, then triples of id, fingerprint and line
local reused, written = {}, false
for i = 4, #A, 3 do
  local line = redis.call('HGET', KEYS[3], A[i])
  if line then
    local known = string.match(line, '^%a+ (%S+) ')
    if known ~= '-' and known ~= A[i + 1] then reused[#reused + 1] = A[i] end
  else
    if not written then wrote() end
    written = true
    local number = redis.call('HGET', KEYS[5], A[i])
    if number then
      redis.call('HDEL', KEYS[5], A[i])
    else
      number = redis.call('HINCRBY', KEYS[2], 'head', 1)
    end
    redis.call('HSET', KEYS[3], A[i], A[i + 2])
    redis.call('ZADD', KEYS[4], number, A[i])
  end
end
local out = {}
if tonumber(A[3]) > 0 then
  local found = redis.call('ZRANGE', KEYS[4], -tonumber(A[3]), -1, 'WITHSCORES')
  for i = 1, #found, 2 do
    out[#out + 1] = found[i]
    out[#out + 1] = found[i + 1]
    out[#out + 1] = redis.call('HGET', KEYS[3], found[i])
  end
end
return answer(reused, out)
