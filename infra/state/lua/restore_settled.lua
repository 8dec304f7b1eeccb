-- keys: outcomes, due index    arguments: conversation, key, outcome, whether resolved, seconds to keep entries
local function one(K, a)
  if ours then settle(K[1], K[2], a[1] .. ' ' .. a[2], a[2], a[3], a[4], a[5]) end
  return 0
end
