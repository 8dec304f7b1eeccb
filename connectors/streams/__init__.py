"""Accounts that one process at a time looks after: their connections to the vendor, and what was missed in between."""

from connectors.streams.account_stream import Accept, AccountEventStream
from connectors.streams.runner import EventStreamRunner
from connectors.streams.timing import EventStreamTimings

__all__ = ["Accept", "AccountEventStream", "EventStreamRunner", "EventStreamTimings"]
