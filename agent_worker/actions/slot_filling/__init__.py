"""Actions without a model: the one that is meant is picked by its examples, and what it needs is asked for, one
question at a time. Deterministic, and without a network."""
