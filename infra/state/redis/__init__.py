"""State on Redis 7 or newer: the only importer of the client library."""
