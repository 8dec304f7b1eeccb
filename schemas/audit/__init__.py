"""The audit trail: who saw, exported, changed and decided what, on every surface."""
