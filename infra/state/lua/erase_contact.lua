-- Deletes a contact and those merged into it, unless one has changed since it was read.
-- KEYS: head, contacts, address…, index of contacts
-- ARGV: 3 how many were read, then id and body of each, then '-', channel, and term with contact of each
-- Returns 1 and how many addresses led to one of these.
local index, own, read = KEYS[#KEYS], {}, 3 + 2 * tonumber(A[3])
for i = 4, read, 2 do
  if redis.call('GET', KEYS[2] .. ':' .. A[i]) ~= A[i + 1] then return answer(0, 0) end
  own[A[i]] = true
end
begin_write()
local count = 0
for i = 3, #KEYS - 1 do
  if own[redis.call('GET', KEYS[i])] then
    redis.call('UNLINK', KEYS[i])
    count = count + 1
  end
end
for i = 4, read, 2 do redis.call('UNLINK', KEYS[2] .. ':' .. A[i], index .. ':m:' .. A[i]) end
for i = read + 1, #A, 3 do redis.call('ZREM', index .. ':t:' .. A[i + 1], A[i + 2]) end
return answer(1, count)
