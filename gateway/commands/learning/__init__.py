"""The commands that learn from recorded conversations."""
