-- Stores an API token unless it is revoked already. KEYS: head, tokens of the tenant
-- ARGV: 3 token id, 4 '1' if it is revoked, else '0', and the token as JSON
if not ours then return answer() end
if string.sub(redis.call('HGET', KEYS[2], A[3]) or '0', 1, 1) == '1' then return answer() end
begin_write()
redis.call('HSET', KEYS[2], A[3], A[4])
return answer()
