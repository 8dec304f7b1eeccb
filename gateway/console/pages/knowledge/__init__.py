"""The pages of documents and their sources."""
