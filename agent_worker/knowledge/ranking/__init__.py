"""Ranking of passages for a question, with a calibrated confidence."""
