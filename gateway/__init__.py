"""The front door: HTTP, sockets, commands, and the one place that puts the parts together (compose)."""
