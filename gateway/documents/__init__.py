"""Synchronization of a tenant's documents with the places they come from."""
