"""Text processing for documents and queries: parsing, splitting, and analysis."""
