"""Encoders and vector search."""
