-- A conversation as its snapshot says, unless a later snapshot is here already (the same rule as rules.supersedes).
-- KEYS: head, conversation, handled, outbox, unpublished, listing, counts, channels of tenants, promised numbers,
--       open approvals, conversations of contacts, lines
-- ARGV: 3 conversation, 4 tenant, 5 channel, 6 seconds to keep handled ids, 7 number of fields, the fields (and due:
--       when the first open approval expires, '' when none is open), then
--       number of handled ids, pairs of id and time, number of outbox entries, triples of id, time and entry,
--       then pairs of message id and number
if not ours then return 0 end
local fields, at = {}, 8
for i = at, at + 2 * tonumber(A[7]) - 1, 2 do
  fields[A[i]] = A[i + 1]
end
local old = redis.call('HMGET', KEYS[2], 'version', 'epoch', 'owner', 'kind', 'head')
if old[4] then
  if tonumber(old[1]) > tonumber(fields.version) or tonumber(old[2]) > tonumber(fields.epoch) then return 0 end
  redis.call('ZREM', KEYS[6] .. ':' .. old[4] .. ':' .. old[3], A[3])
  redis.call('HINCRBY', KEYS[7], old[3], -1)
  redis.call('DEL', KEYS[3], KEYS[4])
  redis.call('ZREM', KEYS[5], A[3])
end
fields.head = math.max(tonumber(fields.head), tonumber(old[5] or 0))
if fields.due ~= '' then redis.call('ZADD', KEYS[10], fields.due, A[3]) else redis.call('ZREM', KEYS[10], A[3]) end
fields.due = nil
fields.kind = A[4] .. ':' .. A[5]
fields.token = head[3]
for name, value in pairs(fields) do
  redis.call('HSET', KEYS[2], name, value)
end
redis.call('ZADD', KEYS[6] .. ':' .. fields.kind .. ':' .. fields.owner, fields.updated, A[3])
redis.call('HINCRBY', KEYS[7], fields.owner, 1)
redis.call('SADD', KEYS[8] .. ':' .. A[4], A[5])
redis.call('SADD', KEYS[11] .. ':' .. A[4] .. ':' .. cjson.decode(fields.origin).contact_id, A[3])
at = at + 2 * tonumber(A[7])
local last = at + 2 * tonumber(A[at])
for i = at + 1, last, 2 do
  redis.call('ZADD', KEYS[3], A[i + 1], A[i])
end
if last > at then redis.call('EXPIRE', KEYS[3], A[6]) end
at = last + 1
last = at + 3 * tonumber(A[at])
local oldest
for i = at + 1, last, 3 do
  local n = redis.call('HINCRBY', KEYS[2], 'out', 1)
  redis.call('HSET', KEYS[4], A[i], A[i + 1] .. ':' .. n .. ':' .. A[i + 2])
  if not oldest or tonumber(A[i + 1]) < tonumber(oldest) then oldest = A[i + 1] end
end
if oldest then redis.call('ZADD', KEYS[5], oldest, A[3]) end
for i = last + 1, #A, 2 do
  if redis.call('HEXISTS', KEYS[12], A[i]) == 0 then redis.call('HSETNX', KEYS[9], A[i], A[i + 1]) end
  if tonumber(A[i + 1]) > fields.head then
    fields.head = tonumber(A[i + 1])
    redis.call('HSET', KEYS[2], 'head', fields.head)
  end
end
return 1
