"""Encrypted backup files, and the copies of stores that go into them."""
