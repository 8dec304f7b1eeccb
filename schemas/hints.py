"""What a worker signals to the connectors of a channel while it works. No record: it may be lost (design §5)."""

from __future__ import annotations

from datetime import datetime

from schemas.messages import WireModel


def topic(channel: str) -> str:
    """The topic of ``Signals``."""
    return f"writing:{channel}"


class Writing(WireModel):
    """An answer to message ``answers`` (the vendor's id) is being written at this place."""

    tenant: str
    account: str
    place: str
    answers: str
    at: datetime
