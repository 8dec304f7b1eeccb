"""Sources of documents: folders, websites, and the file formats found there."""
