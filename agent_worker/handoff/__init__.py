"""Who may speak: passing a conversation between the agent and people."""
