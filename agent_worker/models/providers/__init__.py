"""Remote models: one module per provider, behind a common interface."""
