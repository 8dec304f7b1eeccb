"""Accounts that one process at a time looks after: their connections to the vendor, and what was missed meanwhile."""

from connectors.streams.runner import Streams
from connectors.streams.stream_context import Accept, AccountLine
from connectors.streams.timing import Times

__all__ = ["Accept", "AccountLine", "Streams", "Times"]
