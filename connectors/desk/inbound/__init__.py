"""Inbound events of a desk: find the conversation, check the author's permission, and append the command to the log."""
