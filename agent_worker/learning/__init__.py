"""Learning from the log: recording turns, and running them again."""
