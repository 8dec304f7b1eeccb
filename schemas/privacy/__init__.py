"""Masking of data that must not be stored: card numbers, security codes, one-time codes."""
