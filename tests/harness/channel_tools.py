"""Tools for a channel, over a test's own state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from connectors.channel_services import ChannelServices
from schemas.errors import NotFound
from schemas.messages import Attachment
from schemas.ports import State, VendorMessage

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


async def no_files(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
    raise NotFound(f"no file {attachment} of {tenant}")


def tools_of(state: State, clock: Callable[[], datetime] = lambda: NOW) -> ChannelServices:
    return ChannelServices(transcript=state.transcript, signals=state.signals, clock=clock, read_file=no_files)


async def bind(state: State, conversation: str, bound: VendorMessage) -> None:
    """All that a sender writes that is killed inside ``Deliveries.record``, where that is two steps."""
    message = (bound.tenant, bound.channel, bound.account, bound.external_id)
    await state.deliveries.bind(*message, conversation, bound.message_id)
