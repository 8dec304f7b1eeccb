"""A text that is longer than a message may be is cut in the message and kept whole as a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from connectors.inbound.pipeline import InboundPipeline
from connectors.registry import CHANNELS
from infra.blobs import StoredBlobs, open_blobs
from schemas import topics
from schemas.conversation_activity import MessageEdited
from schemas.errors import RateLimited, TooLarge, Unavailable
from schemas.messages import MAX_TEXT, Address, Attachment, InboundMessage
from schemas.ports import Account, ChannelEvent
from tests.unit.connectors.conftest import ACCOUNT, TENANT, ConnectorEnvironment
from tests.unit.connectors.test_inbound import inbound_of

VENDOR_CHANNELS = [name for name in CHANNELS if name != "web"]
CARD = "4111 1111 1111 1111"


@pytest.fixture
def blobs(tmp_path: Path) -> StoredBlobs:
    return open_blobs("file", tmp_path / "files")


@pytest.fixture
async def inbound(world: ConnectorEnvironment, blobs: StoredBlobs) -> InboundPipeline:
    await world.bus.create_topics(topics.topic_specs(VENDOR_CHANNELS, partitions=3, small=3))
    return inbound_of(world, blobs=blobs)


def build_event(channel: str, text: str, kind: str = topics.MESSAGE_RECEIVED, **payload: Any) -> ChannelEvent:
    addresses = [Address(channel=channel, value="U1", assurance="channel")]
    return ChannelEvent(kind, "T:C:1", "1", {"text": text, **payload}, addresses)


async def accept_text(
    world: ConnectorEnvironment, inbound: InboundPipeline, text: str, channel: str = "slack"
) -> InboundMessage:
    await inbound.accept(Account(TENANT, channel, ACCOUNT, None), [build_event(channel, text)])
    return (await world.logged(topics.inbound(channel)))[-1].payload(InboundMessage)


@pytest.mark.parametrize("channel", VENDOR_CHANNELS)
async def test_on_every_channel_a_long_text_is_cut_at_a_word_and_kept_whole(
    world: ConnectorEnvironment, inbound: InboundPipeline, blobs: StoredBlobs, channel: str
) -> None:
    text = " ".join(f"word{n}" for n in range(3_000))
    message = await accept_text(world, inbound, text, channel)
    assert MAX_TEXT - 200 < len(message.text) <= MAX_TEXT
    shown, rest = message.text.removesuffix(" …"), message.text[-2:]
    assert rest == " …"
    assert text.startswith(shown + " ")
    (file,) = message.attachments
    assert (file.name, file.type, file.full_text, file.missing) == ("message.txt", "text/plain", True, "")
    assert (await blobs.get(TENANT, file.id))[1] == text.encode()


@pytest.mark.parametrize("text", ["x" * MAX_TEXT, "x y " * (MAX_TEXT // 4)])
async def test_a_text_of_the_longest_length_stays_as_it_is(
    world: ConnectorEnvironment, inbound: InboundPipeline, text: str
) -> None:
    message = await accept_text(world, inbound, text)
    assert (message.text, message.attachments) == (text, [])


async def test_one_endless_word_is_cut_too(world: ConnectorEnvironment, inbound: InboundPipeline) -> None:
    message = await accept_text(world, inbound, "x" * 20_000)
    assert len(message.text) <= MAX_TEXT
    assert message.attachments[0].size == 20_000


async def test_the_same_delivery_again_has_the_same_message(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    first = await accept_text(world, inbound, "very long " * 2_000)
    again = await accept_text(world, inbound, "very long " * 2_000)
    # Each delivery stores a file of its own; what is not referenced in the end is collected.
    same = {"sent_at": again.sent_at, "attachments": again.attachments}
    assert first.model_copy(update=same) == again
    assert [file.size for file in first.attachments] == [file.size for file in again.attachments]


async def test_no_part_of_a_card_is_in_the_message_or_in_the_file(
    world: ConnectorEnvironment, inbound: InboundPipeline, blobs: StoredBlobs
) -> None:
    filler = "word " * 4_000
    for before in (100, *range(MAX_TEXT - 140, MAX_TEXT + 140, 7), 12_000):
        message = await accept_text(world, inbound, f"{filler[:before]} {CARD} {filler}")
        kept = (await blobs.get(TENANT, message.attachments[0].id))[1].decode()
        assert "[card ····1111]" in kept
        assert not any("4111" in each or "1111 1111" in each for each in (message.text, kept))


async def test_masking_that_shortens_the_text_leaves_no_card_number_at_its_end(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    message = await accept_text(world, inbound, f"{CARD} " * 1_000)
    assert "4111" not in message.text


async def test_an_edit_that_is_too_long_brings_its_file(
    world: ConnectorEnvironment, inbound: InboundPipeline, blobs: StoredBlobs
) -> None:
    long = "changed my mind " * 1_000
    edit = build_event("slack", long, topics.MESSAGE_EDITED, edited_at=world.clock())
    await inbound.accept(Account(TENANT, "slack", ACCOUNT, None), [edit])
    made = (await world.logged(topics.inbound("slack")))[-1].payload(MessageEdited)
    assert len(made.text) <= MAX_TEXT
    assert (await blobs.get(TENANT, made.attachments[0].id))[1] == long.encode()


class RefusingBlobs(StoredBlobs):
    """Stores nothing, and says why."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryStore(), lambda: datetime.now(UTC))
        self.error = error

    async def put(self, *_: Any, **__: Any) -> Attachment:
        raise self.error


async def test_nothing_is_accepted_while_the_file_cannot_be_stored(
    world: ConnectorEnvironment, inbound: InboundPipeline
) -> None:
    waiting = inbound_of(world, blobs=RefusingBlobs(Unavailable("the disk is full")))
    with pytest.raises(Unavailable):
        await accept_text(world, waiting, "long " * 4_000)
    assert await world.logged(topics.inbound("slack")) == []


@pytest.mark.parametrize("error", [TooLarge("no more room"), RateLimited("enough for today", retry_after_ms=1_000)])
async def test_a_file_that_is_refused_is_named_and_the_message_is_accepted(
    world: ConnectorEnvironment, inbound: InboundPipeline, error: TooLarge | RateLimited
) -> None:
    (file,) = (await accept_text(world, inbound_of(world, blobs=RefusingBlobs(error)), "long " * 4_000)).attachments
    assert (file.missing, file.full_text) == (error.code, True)
