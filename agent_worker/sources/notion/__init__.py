"""The Notion source: pages and rows of databases that are shared with a connection."""
