"""Fine-tuning of models on a tenant's conversations: examples from the log, and the adapters that answer."""
