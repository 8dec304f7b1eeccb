"""Slack requests as events: signatures, the Events API, interactions and commands."""
