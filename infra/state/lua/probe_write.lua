-- Proves that a transition could be written.
wrote()
return answer('written')
