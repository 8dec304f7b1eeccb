"""Rebuild, repair, and salvage of the state in the SQLite file."""
