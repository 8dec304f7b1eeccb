"""The way in: whom an act is about, whether its author may do it, and its append to the log."""
