"""Where documents are read from: folders, websites, and the formats of what lies there."""
