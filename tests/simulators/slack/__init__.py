"""Slack on loopback: Web API, Events API, Socket Mode, and people in channels, threads and direct messages."""
