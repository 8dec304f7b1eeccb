-- Proves that a transition could be written.
begin_write()
return answer('written')
