"""Insights from the log: what became of conversations, where the agent failed, and what would help."""
