"""Execution of actions within a turn: consent, policy, the call, and its outcome."""
