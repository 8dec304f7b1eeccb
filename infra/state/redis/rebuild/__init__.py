"""Schema migration and rebuild of the state in Redis."""
