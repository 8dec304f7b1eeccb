-- The same rule as rules.take_token, once for each token wanted.
-- KEYS: head, bucket    ARGV: 3 now, 4 tokens per second, 5 burst, 6 seconds to keep it, 7 tokens wanted
-- Answers how many of them are granted, and how long the others have to wait.
local bucket = redis.call('HMGET', KEYS[2], 'tokens', 'at')
local per_second, burst, wanted = tonumber(A[4]), tonumber(A[5]), tonumber(A[7])
local tokens, at = tonumber(bucket[1] or A[5]), tonumber(bucket[2] or A[3])
local elapsed = math.max(0, tonumber(A[3]) - at)
local filled = math.min(burst, tokens + elapsed / 1e6 * per_second)
local granted, wait = 0, 0
while granted < wanted and filled >= 1 - 1e-9 do
  filled = math.max(0, filled - 1)
  granted = granted + 1
end
if granted < wanted then
  wait = math.ceil((1 - filled) / per_second * 1e6)
end
begin_write()
redis.call('HSET', KEYS[2], 'tokens', string.format('%.17g', filled), 'at', tonumber(A[3]) > at and A[3] or bucket[2] or A[3])
redis.call('EXPIRE', KEYS[2], A[6])
return answer(granted, wait)
