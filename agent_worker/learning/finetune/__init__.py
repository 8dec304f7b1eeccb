"""Training data from the log, the training of models on it, and the comparison of models before and after."""
