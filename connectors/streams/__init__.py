"""Accounts that one process at a time looks after: their connections to the vendor, and what was missed in between."""

from connectors.streams.account_stream import Accept, AccountStream
from connectors.streams.runner import StreamRunner
from connectors.streams.timing import StreamTimings

__all__ = ["Accept", "AccountStream", "StreamRunner", "StreamTimings"]
