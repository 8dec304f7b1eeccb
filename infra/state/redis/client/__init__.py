"""The connection to Redis: pipelining, scripts, shards, and value encoding."""
