"""Accounts that one process at a time looks after: their connections to the vendor, and what was missed meanwhile."""

from connectors.streams.line import Accept, AccountLine
from connectors.streams.runner import Streams
from connectors.streams.times import Times

__all__ = ["Accept", "AccountLine", "Streams", "Times"]
