"""Ranking: from a question to passages, with a calibrated confidence."""
