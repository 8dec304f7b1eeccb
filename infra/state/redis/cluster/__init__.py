"""Redis Cluster: which node serves a shard, and the calls that follow it."""
