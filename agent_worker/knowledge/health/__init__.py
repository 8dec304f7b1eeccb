"""Defects of a tenant's documents that can be found in their texts alone: duplicates and contradictory figures."""
