-- KEYS and ARGV: those of includes/create_conversation.lua
if not is_new() then return answer() end
begin_write()
create()
return answer()
