-- KEYS and ARGV: those of create
if not is_new() then return answer() end
wrote()
create()
return answer()
