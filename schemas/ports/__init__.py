"""Every port: a room for each group of them, and all names here. No client library's type leaks through; nobody here
knows who calls.

Shared rules
- Every method may raise ``BusUnavailable`` / ``StateUnavailable`` (nothing is known about the outcome) or ``StateLost``
  (the shard must be rebuilt). Every transition may be repeated with the same arguments: the second call returns what
  the first did.
- Times are timezone-aware UTC and come from the caller (``now``), never from an adapter's clock. Durations: seconds.
- Topic and group names are logical: adapters add the installation's prefix.
- Ids are strings; a conversation id decides the shard (murmur2 mod 256) and the partition.
"""

from schemas.ports.agent import (
    Draft,
    FetchFile,
    Found,
    Knowledge,
    Model,
    Passage,
    Question,
    Transcribe,
    Transcriber,
    Wordless,
)
from schemas.ports.bus import (
    Batch,
    Bus,
    Clock,
    Follower,
    GiveUp,
    LaneHandler,
    Position,
    RebalanceListener,
    Record,
    Subscription,
    TopicPartition,
)
from schemas.ports.channel import (
    Account,
    Call,
    Capabilities,
    Challenged,
    Channel,
    Connection,
    Diverse,
    Doubt,
    Event,
    Fetcher,
    Inspectable,
    Lookup,
    Pace,
    Policy,
    RawRequest,
    Remark,
    Reply,
    Seer,
    Sending,
)
from schemas.ports.conversations import Begun, Change, Committed, Contacts, Conversations, Owned, Page, Transcript
from schemas.ports.delivery import DeadLetters, Deliveries, Parking, SendVerdict, Turns
from schemas.ports.sharing import Blobs, Heads, Leases, Limiter, Metrics, Signals
from schemas.ports.state import Rebuild, State

__all__ = [
    "Account",
    "Batch",
    "Begun",
    "Blobs",
    "Bus",
    "Call",
    "Capabilities",
    "Challenged",
    "Change",
    "Channel",
    "Clock",
    "Committed",
    "Connection",
    "Contacts",
    "Conversations",
    "DeadLetters",
    "Deliveries",
    "Diverse",
    "Doubt",
    "Draft",
    "Event",
    "FetchFile",
    "Fetcher",
    "Follower",
    "Found",
    "GiveUp",
    "Heads",
    "Inspectable",
    "Knowledge",
    "LaneHandler",
    "Leases",
    "Limiter",
    "Lookup",
    "Metrics",
    "Model",
    "Owned",
    "Pace",
    "Page",
    "Parking",
    "Passage",
    "Policy",
    "Position",
    "Question",
    "RawRequest",
    "RebalanceListener",
    "Rebuild",
    "Record",
    "Remark",
    "Reply",
    "Seer",
    "SendVerdict",
    "Sending",
    "Signals",
    "State",
    "Subscription",
    "TopicPartition",
    "Transcribe",
    "Transcriber",
    "Transcript",
    "Turns",
    "Wordless",
]
