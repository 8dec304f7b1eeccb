"""Handoff and handback: passing a conversation between the agent and people."""
