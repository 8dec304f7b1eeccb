-- Stands before the scripts that write outcomes of actions. The same rules as journal_rules.replaces_outcome and
-- stays_due. An outcome is its word, ' ' and JSON.
local function settle(outcomes, due, member, key, outcome, resolved, keep)
  local old = redis.call('HGET', outcomes, key)
  local word, unknown = string.match(outcome, '^%S+'), 'unknown'
  local was_unknown = old and string.match(old, '^%S+') == unknown
  if resolved == '1' or (word ~= unknown and not old) then redis.call('ZREM', due, member) end
  if not old or (was_unknown and (word ~= unknown or resolved == '1')) then
    redis.call('HSET', outcomes, key, outcome)
    redis.call('EXPIRE', outcomes, keep)
  end
end

