"""Replay of recorded conversations against the current setup or a candidate. It neither sends nor records anything."""
