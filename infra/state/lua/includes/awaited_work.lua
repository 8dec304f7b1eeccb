-- Stands before the scripts that look at what retention may remove. Whether something of the conversation is under way:
-- unpublished events, an open approval, a send without an outcome, an action in doubt, parked records.
-- KEYS: head, conversation, outbox, open approvals, deliveries, intents, due actions; from `parked` on: indexes of
--       parked records
-- ARGV: 3 conversation
local function has_entry_of(key, conversation)
  -- There are few such entries. If there are many, servers are down: then a later round decides.
  if redis.call('ZCARD', key) > 1000 then return true end
  local start = conversation .. ' '
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    if string.sub(member, 1, #start) == start then return true end
  end
  return false
end

local function is_awaited(parked)
  if redis.call('HLEN', KEYS[3]) > 0 or redis.call('ZSCORE', KEYS[4], A[3]) then return true end
  for _, entry in ipairs(redis.call('HVALS', KEYS[5])) do
    if string.sub(entry, 1, 1) == '?' then return true end
  end
  for i = parked, #KEYS do
    if redis.call('HEXISTS', KEYS[i], A[3]) == 1 then return true end
  end
  return has_entry_of(KEYS[6], A[3]) or has_entry_of(KEYS[7], A[3])
end

