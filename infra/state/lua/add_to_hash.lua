-- Adds to numbers in a hash. KEYS: head, hash    ARGV: 3 milliseconds to keep it, then field and amount by turns
-- Answers the new totals, in the order of the fields.
begin_write()
local totals = {}
for place = 4, #A, 2 do
  totals[#totals + 1] = redis.call('HINCRBY', KEYS[2], A[place], A[place + 1])
end
redis.call('PEXPIRE', KEYS[2], A[3])
return answer(unpack(totals))
