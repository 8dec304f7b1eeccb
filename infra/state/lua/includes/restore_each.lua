
-- Ends every script that writes many small things of one shard at once: ``one(keys, arguments)`` for each of them.
-- ARGV: 3 keys of each, 4 arguments of each; then KEYS after the head and ARGV hold them one after the other.
local keys_each, arguments_each = tonumber(A[3]), tonumber(A[4])
local out = {}
for n = 0, (#KEYS - 1) / keys_each - 1 do
  local keys, arguments = {}, {}
  for i = 1, keys_each do
    keys[i] = KEYS[1 + n * keys_each + i]
  end
  for i = 1, arguments_each do
    arguments[i] = A[4 + n * arguments_each + i]
  end
  out[n + 1] = one(keys, arguments)
end
return out
