"""Text encoders and vector search."""
