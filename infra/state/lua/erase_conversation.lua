-- Deletes a conversation. KEYS: head, conversation, listing, counts, unpublished, approvals, intents of sends, due
-- actions, conversations of contacts, transcript, turns, deliveries, actions, outbox, then further keys to delete
-- ARGV: 3 conversation. Returns 1 if it existed, then how much was in each of the five keys from the transcript on.
local c = redis.call('HMGET', KEYS[2], 'kind', 'owner', 'token', 'origin')
local counts = {}
for i = 10, 14 do counts[#counts + 1] = redis.call('HLEN', KEYS[i]) end
begin_write()
if c[1] then
  redis.call('ZREM', KEYS[3] .. ':' .. c[1] .. ':' .. c[2], A[3])
  redis.call('HINCRBY', KEYS[4], c[2], -1)
  local tenant = string.match(c[1], '^[^:]*')
  redis.call('SREM', KEYS[9] .. ':' .. tenant .. ':' .. cjson.decode(c[4]).contact_id, A[3])
  -- Whoever holds a token of the conversation must not win again when it begins anew.
  if tonumber(c[3]) >= tonumber(redis.call('HGET', KEYS[1], 'base')) then
    redis.call('HSET', KEYS[1], 'base', string.format('%.0f', tonumber(c[3]) + 1))
  end
end
redis.call('ZREM', KEYS[5], A[3])
redis.call('ZREM', KEYS[6], A[3])
for _, id in ipairs(redis.call('HKEYS', KEYS[12])) do redis.call('ZREM', KEYS[7], A[3] .. ' ' .. id) end
for _, key in ipairs(redis.call('HKEYS', KEYS[13])) do redis.call('ZREM', KEYS[8], A[3] .. ' ' .. key) end
redis.call('UNLINK', KEYS[2])
for i = 10, #KEYS do redis.call('UNLINK', KEYS[i]) end
return answer(c[1] and 1 or 0, unpack(counts))
