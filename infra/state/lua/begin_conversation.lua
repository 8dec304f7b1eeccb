-- KEYS: those of includes/create_conversation.lua, 6 handled, 7 outbox, 8 lines, 9 numbers, 10 promised numbers,
--       11 conversations of contacts
-- ARGV: those of includes/create_conversation.lua, 8 how many lines to answer while the agent owns, 9 number of event
--       ids, the ids, then triples of message id, fingerprint and line
-- Without an origin only a conversation that is there can begin.
local creates = is_new()
if creates and A[5] == '' then return answer() end
begin_write()
if creates then create() end
local token = redis.call('HINCRBY', KEYS[2], 'token', 1)
local known, last = {}, 9 + tonumber(A[9])
for i = 10, last do
  known[i - 9] = redis.call('ZSCORE', KEYS[6], A[i]) and 1 or 0
end
local reused = {}
for i = last + 1, #A, 3 do
  local is = known_as(KEYS[8], A[i], A[i + 1])
  if is == 'reused' then
    reused[#reused + 1] = A[i]
  elseif not is then
    add_line(KEYS[2], KEYS[8], KEYS[9], KEYS[10], A[i], A[i + 2])
  end
end
local fields =
  redis.call('HMGET', KEYS[2], 'origin', 'owner', 'epoch', 'floor', 'version', 'head', 'created', 'updated', 'facts',
    'holder')
local lines = {}
if fields[2] == 'agent' and A[8] ~= '0' then
  lines = lines_of(KEYS[8], redis.call('ZRANGE', KEYS[9], -tonumber(A[8]), -1, 'WITHSCORES'))
end
return answer(token, known, redis.call('HVALS', KEYS[7]), fields, reused, lines)
