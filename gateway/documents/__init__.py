"""Synchronization of a tenant's documents with their sources."""
