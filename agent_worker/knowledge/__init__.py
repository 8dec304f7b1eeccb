"""What the agent may say is true: the tenant's documents, split, indexed and searched."""
