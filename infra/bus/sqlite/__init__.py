"""The log of embedded mode: topics, partitions and consumer groups in the one SQLite file."""

from infra.bus.sqlite.bus import SqliteBus

__all__ = ["SqliteBus"]
