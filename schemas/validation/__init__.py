"""Validation of values from outside: times, texts, and what is said about wrong ones."""
