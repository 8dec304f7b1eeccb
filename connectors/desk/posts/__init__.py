"""The card and the thread of a conversation, kept in line with its state."""
