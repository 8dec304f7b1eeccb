-- A conversation as its snapshot says, unless a later snapshot is here already (the same rule as rules.supersedes).
-- KEYS: head, conversation, handled, outbox, unpublished, listing, counts, channels of tenants, promised numbers
-- ARGV: 2 conversation, 3 tenant, 4 channel, 5 seconds to keep handled ids, 6 number of fields, the fields, then
--       number of handled ids, pairs of id and time, number of outbox entries, pairs of id and entry, their time,
--       then pairs of message id and number
if not ours then return 0 end
local fields, at = {}, 7
for i = at, at + 2 * tonumber(A[6]) - 1, 2 do
  fields[A[i]] = A[i + 1]
end
local old = redis.call('HMGET', KEYS[2], 'version', 'epoch', 'owner', 'kind', 'head')
if old[4] then
  if tonumber(old[1]) > tonumber(fields.version) or tonumber(old[2]) > tonumber(fields.epoch) then return 0 end
  redis.call('ZREM', KEYS[6] .. ':' .. old[4] .. ':' .. old[3], A[2])
  redis.call('HINCRBY', KEYS[7], old[3], -1)
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[9])
  redis.call('ZREM', KEYS[5], A[2])
end
fields.head = math.max(tonumber(fields.head), tonumber(old[5] or 0))
fields.kind = A[3] .. ':' .. A[4]
fields.token = head[3]
for name, value in pairs(fields) do
  redis.call('HSET', KEYS[2], name, value)
end
redis.call('ZADD', KEYS[6] .. ':' .. fields.kind .. ':' .. fields.owner, fields.updated, A[2])
redis.call('HINCRBY', KEYS[7], fields.owner, 1)
redis.call('SADD', KEYS[8] .. ':' .. A[3], A[4])
at = at + 2 * tonumber(A[6])
local last = at + 2 * tonumber(A[at])
for i = at + 1, last, 2 do
  redis.call('ZADD', KEYS[3], A[i + 1], A[i])
end
if last > at then redis.call('EXPIRE', KEYS[3], A[5]) end
at = last + 1
last = at + 2 * tonumber(A[at])
for i = at + 1, last, 2 do
  local n = redis.call('HINCRBY', KEYS[2], 'out', 1)
  redis.call('HSET', KEYS[4], A[i], A[last + 1] .. ':' .. n .. ':' .. A[i + 1])
end
if last > at then redis.call('ZADD', KEYS[5], A[last + 1], A[2]) end
for i = last + 2, #A, 2 do
  redis.call('HSET', KEYS[9], A[i], A[i + 1])
end
return 1
