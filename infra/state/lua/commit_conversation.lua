-- KEYS: head, conversation, handled, outbox, unpublished, listing, numbers, promised numbers,
--       open approvals
-- ARGV: 3 conversation, 4 now, 5 token, 6 version, 7 epoch, 8 facts, 9 name of this commit, 10 horizon,
--       11 seconds to keep handled ids, 12 how many transcript numbers to answer, 13 when the first open approval
--       expires ('' when none is open), 14 number of handled ids, the ids, then pairs of outbox id and record
-- Answers what read_snapshot.lua does; nil for the outbox when it is just what this commit put there.
local c = redis.call('HMGET', KEYS[2], 'token', 'version', 'epoch', 'owner', 'kind', 'commit', 'updated')
if not c[2] then return answer('stale') end

local function committed(outbox)
  return answer('committed',
    redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts',
      'holder'),
    redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'), outbox,
    redis.call('ZRANGE', KEYS[7], -tonumber(A[12]), -1, 'WITHSCORES'),
    redis.call('HGETALL', KEYS[8]))
end

-- The answer to the first call may have been lost: a repeat must get the same.
if c[6] == A[9] then return committed(redis.call('HVALS', KEYS[4])) end
if c[1] ~= A[5] or c[2] ~= A[6] or c[3] ~= A[7] then return answer('stale') end
begin_write()
redis.call('HINCRBY', KEYS[2], 'version', 1)
local at = tonumber(c[7]) > tonumber(A[4]) and c[7] or A[4]
redis.call('HSET', KEYS[2], 'facts', A[8], 'updated', at, 'commit', A[9])
if A[13] ~= '' then redis.call('ZADD', KEYS[9], A[13], A[3]) else redis.call('ZREM', KEYS[9], A[3]) end
local last = 14 + tonumber(A[14])
for i = 15, last do
  redis.call('ZADD', KEYS[3], A[4], A[i])
end
if last > 14 then
  -- The newest 20 stay whatever their age: see rules.KEPT_WHATEVER_AGE.
  local spare = math.max(0, redis.call('ZCARD', KEYS[3]) - 20)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. A[10], 'LIMIT', 0, spare)) do
    redis.call('ZREM', KEYS[3], old)
  end
  redis.call('EXPIRE', KEYS[3], A[11])
end
local new = 0
for i = last + 1, #A, 2 do
  local n = redis.call('HINCRBY', KEYS[2], 'out', 1)
  new = new + redis.call('HSETNX', KEYS[4], A[i], A[4] .. ':' .. n .. ':' .. A[i + 1])
end
if #A > last then redis.call('ZADD', KEYS[5], 'NX', A[4], A[3]) end
redis.call('ZADD', KEYS[6] .. ':' .. c[5] .. ':' .. c[4], at, A[3])
local alone = redis.call('HLEN', KEYS[4]) == new and 2 * new == #A - last
return committed(not alone and redis.call('HVALS', KEYS[4]))
