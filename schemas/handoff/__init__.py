"""Who may speak in a conversation, and when people are available."""
