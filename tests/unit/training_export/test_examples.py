"""An export learns from a conversation, and leaves private content out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent_worker.router.decision import PERSON_REQUESTED
from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_history import EXPORT_TYPES
from gateway.training_export.examples import Anonymizer, build_examples
from gateway.training_export.export_rows import ConversationExample, Preference
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas import topics
from schemas.conversation import DeliveryOutcome, OwnerChanged, Turn
from schemas.conversation_activity import Feedback, MessageDeleted, MessageEdited
from schemas.envelope import Envelope, envelope
from schemas.messages import Author, InboundMessage, OutboundMessage
from schemas.privacy.harmless_numbers import compile_own_numbers

GOLDEN = Path(__file__).with_name("export.jsonl")
AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
OWN = compile_own_numbers(["PS-#####"])


class ConversationWriter:
    """Writes a conversation as it stands on the log."""

    def __init__(self, conversation: str = "c1") -> None:
        self.conversation = conversation
        self.events: list[Envelope] = []

    def _add(self, kind: str, payload: BaseModel, id: str) -> None:
        at = AT + timedelta(minutes=len(self.events))
        about: dict[str, Any] = {"tenant": "shop", "channel": "web", "conversation": self.conversation}
        self.events.append(envelope(kind, payload, id=f"{self.conversation}-{id}", time=at, source="/t", **about))

    def asks(self, id: str, text: str, author: Author | None = None) -> None:
        about = {"external_id": id, "place": "v", "contact_id": "k", "sent_at": AT}
        author = author or Author(kind="contact", name="Ann Bloom")
        self._add(topics.MESSAGE_RECEIVED, InboundMessage(id=id, text=text, author=author, **about), id)  # type: ignore[arg-type]

    def answers(self, id: str, text: str, route: str = "answer") -> None:
        """Turns to people are written by the system and say why, as the worker's are."""
        about: dict[str, Any] = {"place": "v", "contact_id": "k", "created_at": AT, "expires_at": AT}
        hands_over = route == "person"
        reply = OutboundMessage(id=id, author=Author(kind="system" if hands_over else "agent"), text=text, **about)
        reasons = [PERSON_REQUESTED] if hands_over else []
        self._add(
            topics.TURN_COMPLETED,
            Turn(id=f"t-{id}", handled=[], route=route, reasons=reasons, model="local", replies=[reply], at=AT),
            f"t-{id}",
        )

    def thumb(self, id: str, value: Any) -> None:
        self._add(topics.FEEDBACK_GIVEN, Feedback(message_id=id, value=value, at=AT), f"f-{len(self.events)}")

    def edits(self, id: str, text: str) -> None:
        about: dict[str, Any] = {"place": "v", "contact_id": "k", "edited_at": AT}
        self._add(topics.MESSAGE_EDITED, MessageEdited(message_id=id, text=text, **about), f"e-{id}")

    def deletes(self, id: str) -> None:
        self._add(
            topics.MESSAGE_DELETED,
            MessageDeleted(message_id=id, place="v", contact_id="k", deleted_at=AT),
            f"d-{id}",
        )

    def passes_to(self, owner: Any) -> None:
        self._add(topics.OWNER_CHANGED, OwnerChanged(owner=owner, epoch=1, by="agent", at=AT), f"o-{len(self.events)}")

    def drops(self, id: str) -> None:
        self._add(topics.DELIVERY_RECORDED, DeliveryOutcome(message_id=id, state="stale_owner", at=AT), f"s-{id}")

    def rows(self) -> list[ConversationExample | Preference]:
        facts = [
            conversation_grouping.ConversationEvent(
                event.id, event.type, event.channel, event.time.timestamp(), event.data or b""
            )
            for event in self.events
        ]
        return list(build_examples("shop", self.conversation, facts, OWN))


def all_conversations() -> list[ConversationWriter]:
    thanked = ConversationWriter("thanked")
    thanked.asks("m1", "Hi, Ann Bloom here, ann@bloom.example, +49 151 2345678, order PS-10023")
    thanked.asks("m2", "Do you ship on 04.05.2026? Card 4111 1111 1111 1111")
    thanked.answers("r1", "We do, Ann. [1]")
    thanked.thumb("r1", "up")
    disliked = ConversationWriter("disliked")
    disliked.asks("m1", "Is it hardy?")
    disliked.answers("r1", "It is blue.")
    disliked.thumb("r1", "down")
    handed = ConversationWriter("handed")
    handed.asks("m1", "Where is my parcel?")
    handed.answers("r1", "Parcels leave on Mondays.")
    handed.asks("m2", "I want a person")
    handed.answers("r2", "A colleague will take over.", route="person")
    handed.passes_to("queue")
    handed.asks("p1", "It is in Lisbon, Ann.", Author(kind="person", name="Carla"))
    discarded = ConversationWriter("discarded")
    discarded.asks("m1", "Can I pay later?")
    discarded.passes_to("person")
    discarded.answers("r1", "You can always pay later.")
    discarded.drops("r1")
    discarded.asks("p1", "Only with an invoice.", Author(kind="person"))
    return [thanked, disliked, handed, discarded]


def test_the_lines_are_as_the_golden_file_has_them() -> None:
    """A difference is a change of what training tools read, and is made on purpose or not at all."""
    lines = [row.model_dump_json() for talk in all_conversations() for row in talk.rows()]
    assert lines == GOLDEN.read_text().splitlines()


def test_a_talk_is_approved_by_a_thumb_or_because_everything_was_answered() -> None:
    talk = ConversationWriter()
    talk.asks("m1", "One?")
    talk.answers("r1", "One.")
    assert [row.approved for row in talk.rows() if isinstance(row, ConversationExample)] == ["resolved"]
    talk.asks("m2", "Two?")
    talk.answers("r2", "I do not know.", route="declined")
    assert talk.rows() == []
    talk.thumb("r1", "up")
    assert [row.approved for row in talk.rows() if isinstance(row, ConversationExample)] == ["thumb"]
    talk.thumb("r1", "none")
    assert talk.rows() == []


def test_edited_messages_read_as_last_edited_and_deleted_ones_are_gone() -> None:
    talk = ConversationWriter()
    talk.asks("m1", "First?")
    talk.asks("m2", "A secret")
    talk.edits("m1", "Second?")
    talk.deletes("m2")
    talk.answers("r1", "Yes.")
    (row,) = talk.rows()
    assert isinstance(row, ConversationExample)
    assert [(said.role, said.content) for said in row.messages] == [("user", "Second?"), ("assistant", "Yes.")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to a.b+c@mail.example.co.uk!", "write to [email]!"),
        ("call +1 (212) 555-0100 or 0171 2345678", "call [phone] or [phone]"),
        ("on 2026-05-04 at 09:30, for 1.250,00 euro", "on 2026-05-04 at 09:30, for 1.250,00 euro"),
        ("on 04.05.2026 10 pots", "on 04.05.2026 10 pots"),
        ("order ps-10023 of ann BLOOM, Anna's", "order [number] of [name], Anna's"),
        ("4111111111111111 cvv 123", "[card ····1111] cvv [cvv]"),
        ("421498", "[code]"),
        ("my code is 421 498", "my code is [code]"),
    ],
)
def test_identifying_details_are_masked_in_exports(text: str, shown: str) -> None:
    assert Anonymizer(OWN, ["Ann Bloom"])(text) == shown


async def test_an_export_reads_the_log_once_and_gives_one_conversation_at_a_time(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "parley.db")
    bus = SqliteBus(database)
    await bus.start()
    try:
        await bus.create_topics(topics.topic_specs(["web"], partitions=3, small=3))
        talks = all_conversations()
        mixed = [event for step in range(10) for talk in talks for event in talk.events[step : step + 1]]
        other = envelope(
            topics.MESSAGE_RECEIVED, mixed[0].data, id="x", time=AT, source="/t", tenant="other", channel="web",
            conversation="thanked",
        )  # fmt: skip
        await bus.append([*mixed, *mixed[:3], other])
        with conversation_grouping.open_conversation_grouping(tmp_path / "exports") as gathered:
            await gathered.gather(bus, "shop", [topics.inbound("web"), topics.EVENTS], EXPORT_TYPES)
            found = dict(gathered.conversations(None, None))
            assert {name: len(facts) for name, facts in found.items()} == {
                talk.conversation: len(talk.events) for talk in talks
            }
            lines = [
                row.model_dump_json()
                for talk in talks
                for row in build_examples("shop", talk.conversation, found[talk.conversation], OWN)
            ]
            assert lines == GOLDEN.read_text().splitlines()
            assert list(gathered.conversations(AT + timedelta(hours=1), None)) == []
            assert list(gathered.conversations(None, AT)) == []
        assert await asyncio.to_thread(lambda: list((tmp_path / "exports").iterdir())) == []
    finally:
        await bus.close()
        await database.close()


async def test_a_long_log_is_read_whole(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "parley.db")
    bus = SqliteBus(database)
    await bus.start()
    try:
        await bus.create_topics(topics.topic_specs(["web"], partitions=3, small=3))
        events = [event for talk in all_conversations() for event in talk.events]
        for number in range(400):
            copies = [replace(e, id=f"{e.id}-{number}", conversation=f"{e.conversation}-{number}") for e in events]
            await bus.append(copies)
        with conversation_grouping.open_conversation_grouping(tmp_path / "exports") as gathered:
            await gathered.gather(bus, "shop", [topics.inbound("web"), topics.EVENTS], EXPORT_TYPES)
            found = [len(facts) for _, facts in gathered.conversations(None, None)]
        assert (len(found), sum(found)) == (400 * len(all_conversations()), 400 * len(events))
    finally:
        await bus.close()
        await database.close()


def test_the_shape_is_what_training_tools_read() -> None:
    for line in GOLDEN.read_text().splitlines():
        row = json.loads(line)
        assert "messages" in row or {"prompt", "chosen", "rejected"} <= row.keys()
