"""The search index of one tenant: documents, passages, and counts of terms."""
