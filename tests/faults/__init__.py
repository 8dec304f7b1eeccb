"""Faults of what Parley runs on, and of Parley itself. A package, so that its installation ends with its tests."""
