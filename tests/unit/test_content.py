"""Content of a message beside its text and files, described in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.content import content_fields, describe_content, describe_message, map_url
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.validation.texts import describe_count

AT = datetime(2026, 5, 4, tzinfo=UTC)


def message(**fields: Any) -> InboundMessage:
    about = {"id": "m", "external_id": "x", "place": "p", "contact_id": "c", "sent_at": AT}
    return InboundMessage.model_validate(about | fields)


def words(**fields: Any) -> list[str]:
    return describe_content(TranscriptMessage.of_inbound(message(**fields)))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"location": {"latitude": 52.5, "longitude": 13.4}}, "Shared a location: 52.5, 13.4"),
        (
            {"location": {"latitude": 52.5, "longitude": 13.4, "name": "Shop", "address": "Main St 1"}},
            "Shared a location: Shop, Main St 1 (52.5, 13.4)",
        ),
        ({"shared_contacts": [{"name": "Ana", "phones": ["+1 555"]}]}, "Shared a contact: Ana (+1 555)"),
        ({"shared_contacts": [{"name": "Ana"}, {"name": ""}]}, "Shared 2 contacts: Ana; no name"),
        ({"referral": {"source": "ad", "headline": "Ferns"}}, "Came from the ad “Ferns”"),
        ({"referral": {"source": "ADS"}}, "Came from an ad"),
        ({"referral": {"source": "story", "ref": "18"}}, "Replied to your story"),
        (
            {"referral": {"source": "ig_post", "headline": "Ferns", "url": "https://i.example/p/1"}},
            "Shared a post: “Ferns” (https://i.example/p/1)",
        ),
        ({"referral": {"source": "IGME", "ref": "bio"}}, "Came from the link “bio”"),
        ({"referral": {"source": "billboard"}}, "Came from billboard"),
        ({"quote": {"id": "", "text": "We ship\non Mondays."}}, "Quoted: “We ship on Mondays.”"),
        ({"quote": {}}, "Quoted an earlier message"),
        ({"unsupported": "missed_call"}, "Tried to call"),
        ({"unsupported": "sticker_pack"}, "Sent something that cannot be shown here (sticker pack)"),
        ({"unsupported": "unsupported"}, "Sent something that cannot be shown here"),
    ],
)
def test_each_kind_has_words(fields: dict[str, Any], said: str) -> None:
    assert words(**fields) == [said]


def test_a_message_of_text_alone_has_none() -> None:
    assert words(text="Hello") == []
    assert describe_message(TranscriptMessage.of_inbound(message(text="Hello"))) == "Hello"


def test_words_are_bounded_whatever_a_stranger_sends() -> None:
    huge = "x" * 100_000
    told = words(
        location={"latitude": 1, "longitude": 1, "name": huge},
        shared_contacts=[{"name": huge, "phones": [huge] * 100}] * 100,
        referral={"source": huge, "headline": huge, "url": huge},
        quote={"text": huge},
        unsupported=huge,
    )
    assert len("\n".join(told)) < 5_000


def test_deleted_content_has_no_description() -> None:
    line = TranscriptMessage.of_inbound(message(quote={"text": "secret"}, unsupported="poll"))
    assert describe_content(line.model_copy(update={"state": "deleted"})) == []


def test_a_line_gives_back_the_message_that_it_was() -> None:
    fields = {
        "location": {"latitude": 52.5, "longitude": 13.4, "name": "Shop"},
        "shared_contacts": [{"name": "Ana", "phones": ["+1"]}],
        "referral": {"source": "ad", "headline": "Ferns", "url": "https://a.example"},
        "quote": {"id": "q", "text": "We ship."},
        "unsupported": "poll",
    }
    line = TranscriptMessage.of_inbound(message(**fields))
    again = TranscriptMessage.of_inbound(message().model_copy(update=content_fields(line)))
    assert again == line


def test_a_map_address_is_made_of_the_numbers_alone() -> None:
    assert (
        map_url(52.5, -13.4)
        == "https://www.openstreetmap.org/?mlat=52.500000&mlon=-13.400000#map=16/52.500000/-13.400000"
    )


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "file", "1 file"),
        (0, "file", "0 files"),
        (3, "reply", "3 replies"),
        (1, "reply", "1 reply"),
        (2, "day", "2 days"),
    ],
)
def test_a_count_has_the_noun_in_its_number(number: int, noun: str, said: str) -> None:
    assert describe_count(number, noun) == said
