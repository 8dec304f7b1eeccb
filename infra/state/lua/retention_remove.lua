-- Removes what has expired of a conversation, if nothing has happened since it was read and nobody waits for anything.
-- Answers nothing when it has, else how many rows were removed, and 1 when the conversation itself is gone.
-- KEYS: those of includes/awaited_work.lua, 8 lines, 9 numbers, 10 promised numbers, 11 turns, 12 order of turns,
--       13 handled, 14 times of deliveries, 15 times of actions, 16 unpublished, 17 listing, 18 counts, 19 conversations
--       of contacts, 20 removals, 21 actions, 22 outcomes of actions, 23 requests, 24… indexes of parked records
-- ARGV: 3 conversation, 4 version, 5 epoch, 6 token, 7 updated, 8 head, 9 turns before, 10 whether to remove the
--       conversation if it is empty, 11 floor of handled ids, 12 of deliveries, 13 of actions, 14 seconds to keep the
--       last number or 0, 15 note of its removal, 16 number of lines, the ids, then pairs of file id and note
local c = redis.call('HMGET', KEYS[2], 'version', 'epoch', 'token', 'updated', 'head', 'owner', 'kind', 'origin')
if not c[8] or c[1] ~= A[4] or c[2] ~= A[5] or c[3] ~= A[6] or c[4] ~= A[7] or (c[5] or '') ~= A[8] then
  return answer()
end
if is_awaited(24) then return answer() end
begin_write()
local removed = 0
for _, turn in ipairs(redis.call('ZRANGEBYSCORE', KEYS[12], '-inf', '(' .. A[9])) do
  redis.call('HDEL', KEYS[11], turn)
  redis.call('ZREM', KEYS[12], turn)
  removed = removed + 1
end
local last = 16 + tonumber(A[16])
for i = 17, last do
  removed = removed + redis.call('HDEL', KEYS[8], A[i])
  redis.call('ZREM', KEYS[9], A[i])
end
for i = last + 1, #A, 2 do
  redis.call('HSET', KEYS[20], 'file ' .. A[i], A[i + 1])
end

local function is_younger(key, floor)
  local newest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  return newest and tonumber(newest) >= tonumber(floor)
end
if A[10] ~= '1' or redis.call('ZCARD', KEYS[9]) > 0 or is_younger(KEYS[13], A[11]) or is_younger(KEYS[14], A[12])
  or is_younger(KEYS[15], A[13]) then
  return answer(removed, 0)
end
local tenant, contact = string.match(c[7], '^[^:]*'), cjson.decode(c[8]).contact_id
redis.call('SREM', KEYS[19] .. ':' .. tenant .. ':' .. contact, A[3])
redis.call('ZREM', KEYS[17] .. ':' .. c[7] .. ':' .. c[6], A[3])
redis.call('HINCRBY', KEYS[18], c[6], -1)
redis.call('ZREM', KEYS[16], A[3])
-- If it comes back, a worker of this time must not win.
local base = redis.call('HGET', KEYS[1], 'base')
if tonumber(c[3]) > tonumber(base) then redis.call('HSET', KEYS[1], 'base', c[3]) end
for _, i in ipairs({2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 21, 22, 23}) do redis.call('DEL', KEYS[i]) end
if A[14] ~= '0' and c[5] then
  redis.call('HSET', KEYS[2], 'head', c[5])
  redis.call('EXPIRE', KEYS[2], A[14])
end
redis.call('HSET', KEYS[20], 'conversation ' .. A[3], A[15])
return answer(removed + 1, 1)
