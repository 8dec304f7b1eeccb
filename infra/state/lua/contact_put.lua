-- Writes a contact if nothing it was made from has changed since it was read, and if each address still leads to one
-- of those. An address leads to who has it, else to who had it last, by the first of its keys that is there; the first
-- one is written. The terms by which the contact is found change with it.
-- KEYS: head, contacts, the keys of each address, those of each address left, index of contacts
-- ARGV: 3 how many addresses, 4 keys of each address, 5 contact id, 6 the new body, 7 how many were read, then of each
-- that was read: id, body ('' for none), and the body to write ('' to leave it; '>' .. id of the one it was merged
-- into), then of each changed term: '+' or '-', channel, and term with contact; or of a note about the index that holds
-- no longer: '!', its name, and the value with which it stays
if not ours then return answer(1) end
local index, allowed, each, read = KEYS[#KEYS], {}, tonumber(A[4]), 7 + 3 * tonumber(A[7])
for i = 8, read, 3 do
  if (redis.call('GET', KEYS[2] .. ':' .. A[i]) or '') ~= A[i + 1] then return answer(0) end
  allowed[A[i]] = true
end
local function holder(first)
  for i = first, first + each - 1 do
    local id = redis.call('GET', KEYS[i])
    if id then return id end
  end
end
local last = 2 + tonumber(A[3]) * each
for first = 3, last, each do
  local id = holder(first)
  local body = id and redis.call('GET', KEYS[2] .. ':' .. id)
  while body and string.sub(body, 1, 1) == '>' do
    id = string.sub(body, 2)
    body = redis.call('GET', KEYS[2] .. ':' .. id)
  end
  if body and not allowed[id] then return answer(0) end
end
if not allowed[A[5]] and redis.call('EXISTS', KEYS[2] .. ':' .. A[5]) == 1 then return answer(0) end
begin_write()
for i = 8, read, 3 do
  if A[i + 2] ~= '' then redis.call('SET', KEYS[2] .. ':' .. A[i], A[i + 2]) end
  if string.sub(A[i + 2], 1, 1) == '>' then redis.call('SADD', index .. ':m:' .. string.sub(A[i + 2], 2), A[i]) end
end
redis.call('SET', KEYS[2] .. ':' .. A[5], A[6])
for first = 3, #KEYS - each, each do
  local id = holder(first)
  if first <= last or not id then
    id = A[5]
  end
  for i = first + 1, first + each - 1 do
    if KEYS[i] ~= KEYS[first] then redis.call('DEL', KEYS[i]) end
  end
  redis.call('SET', KEYS[first], id)
end
for i = read + 1, #A, 3 do
  if A[i] == '+' then
    redis.call('ZADD', index .. ':t:' .. A[i + 1], 0, A[i + 2])
  elseif A[i] == '-' then
    redis.call('ZREM', index .. ':t:' .. A[i + 1], A[i + 2])
  elseif redis.call('GET', index .. ':' .. A[i + 1]) ~= A[i + 2] then
    redis.call('DEL', index .. ':' .. A[i + 1])
  end
end
return answer(1)
