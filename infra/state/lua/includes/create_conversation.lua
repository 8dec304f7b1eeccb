-- Stands before the scripts that make a conversation when it is new.
-- KEYS: head, conversation, listing, counts, channels of tenants; the last one: conversations of contacts
-- ARGV: 3 conversation, 4 now, 5 origin, 6 tenant, 7 channel
local function is_new()
  return redis.call('HEXISTS', KEYS[2], 'origin') == 0
end

local function create()
  local base = redis.call('HGET', KEYS[1], 'base')
  local kind = A[6] .. ':' .. A[7]
  redis.call('HSET', KEYS[2], 'origin', A[5], 'kind', kind, 'owner', 'agent', 'epoch', 0, 'floor', 0, 'version', 0,
    'created', A[4], 'updated', A[4], 'facts', '{}', 'token', base)
  -- Of an expired conversation only the last number was left, and not for good.
  redis.call('PERSIST', KEYS[2])
  redis.call('ZADD', KEYS[3] .. ':' .. kind .. ':agent', A[4], A[3])
  redis.call('HINCRBY', KEYS[4], 'agent', 1)
  redis.call('SADD', KEYS[5] .. ':' .. A[6], A[7])
  redis.call('SADD', KEYS[#KEYS] .. ':' .. A[6] .. ':' .. cjson.decode(A[5]).contact_id, A[3])
end

