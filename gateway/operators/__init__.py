"""Acts of people on conversations, on whichever surface they work."""
