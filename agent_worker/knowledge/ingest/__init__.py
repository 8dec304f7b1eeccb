"""The path of a document change from the log into the index."""
