"""Actions without a model: the action is chosen by its examples, and its missing parameters are asked for one at a
time. Deterministic, and without a network."""
