"""Routing of a message to `local`, a cheap model, a strong model, or a person, with reasons."""
