"""Retrieval for messages of 200 words and more, against plain BM25 in the same run."""
