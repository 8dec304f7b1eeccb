"""Transcription of voice notes, by a model on this machine or at an address."""
