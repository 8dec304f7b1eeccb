-- KEYS: head, conversation, outbox, unpublished, listing, counts, requests
-- ARGV: 3 conversation, 4 now, 5 new owner, 6 expected epoch, 7 request, 8 event id, 9 event record,
--       10 whether people claim (1 or 0), 11 seconds to keep requests, 12 who asked
local c = redis.call('HMGET', KEYS[2], 'epoch', 'owner', 'kind', 'updated')
if not c[3] then return answer('missing') end
local before = redis.call('HGET', KEYS[7], A[7])
if before then
  local owner, won = string.match(before, '^(%a+):(%d+)$')
  return answer(1, owner, won)
end
if c[1] ~= A[6] then return answer(0, c[2], c[1]) end
begin_write()
local now_epoch = redis.call('HINCRBY', KEYS[2], 'epoch', 1)
local at = tonumber(c[4]) > tonumber(A[4]) and c[4] or A[4]
redis.call('HSET', KEYS[2], 'owner', A[5], 'updated', at, 'holder', A[12])
if A[10] == '1' then redis.call('HSET', KEYS[2], 'floor', now_epoch) end
local list = KEYS[5] .. ':' .. c[3] .. ':'
redis.call('ZREM', list .. c[2], A[3])
redis.call('ZADD', list .. A[5], at, A[3])
redis.call('HINCRBY', KEYS[6], c[2], -1)
redis.call('HINCRBY', KEYS[6], A[5], 1)
local n = redis.call('HINCRBY', KEYS[2], 'out', 1)
redis.call('HSETNX', KEYS[3], A[8], A[4] .. ':' .. n .. ':' .. A[9])
redis.call('ZADD', KEYS[4], 'NX', A[4], A[3])
redis.call('HSET', KEYS[7], A[7], A[5] .. ':' .. now_epoch)
redis.call('EXPIRE', KEYS[7], A[11])
return answer(1, A[5], now_epoch)
