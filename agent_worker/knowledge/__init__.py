"""The tenant's documents: splitting, indexing and search. The agent states nothing else as fact."""
