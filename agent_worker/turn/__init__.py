"""One turn: from the waiting messages of a conversation to committed and published replies."""
