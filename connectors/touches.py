"""Word to the desk that a line of a conversation is not as it was."""

from __future__ import annotations

from datetime import datetime

from schemas import ids, topics
from schemas.desk import DeskTouched
from schemas.envelope import Envelope, envelope


def of_line(about: Envelope, line: str, state: str, at: datetime) -> Envelope:
    """``about`` is any event of the same conversation. The same state of the same line is always told as the same."""
    return envelope(
        topics.DESK_TOUCHED,
        DeskTouched(changed=[line], at=at),
        id=ids.derived_id(line, f"desk-touched:{state}"),
        time=at,
        source=f"/connectors/{about.channel}/{about.tenant}/{about.account}",
        tenant=about.tenant,
        channel=about.channel,
        account=about.account,
        conversation=about.conversation,
        correlation_id=about.correlation_id or about.id,
        causation_id=about.id,
    )


def of_time(tenant: str, conversation: str, at: datetime) -> Envelope:
    """That something is due by now."""
    return envelope(
        topics.DESK_TOUCHED,
        DeskTouched(at=at),
        id=ids.derived_id(conversation, f"desk-time:{at.isoformat()}"),
        time=at,
        source=f"/connectors/{topics.DESK}/{tenant}",
        tenant=tenant,
        channel=topics.DESK,
        conversation=conversation,
    )
