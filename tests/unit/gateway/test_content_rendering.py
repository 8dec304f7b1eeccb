"""Content beside text and files, as the console, the API and the desk show it: in words, and escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import orjson

from connectors.slack.desk.render_transcript import line_blocks
from gateway.console.pages.transcript import TranscriptView
from gateway.http.response_models import ChatMessage
from gateway.storage.attachments import AttachmentService
from gateway.webchat.serialization import serialize_message
from schemas.messages import InboundMessage, TranscriptMessage

DESK = cast(AttachmentService, None)
"""Signs addresses of files; there are none."""
EVIL = "[login](https://evil.example) <b onclick=x> <!channel> *x*"


def line(**fields: Any) -> TranscriptMessage:
    about = {
        "id": "m",
        "external_id": "x",
        "place": "p",
        "contact_id": "c",
        "sent_at": datetime(2026, 5, 4, tzinfo=UTC),
    }
    return TranscriptMessage.of_inbound(InboundMessage.model_validate(about | fields))


EVERYTHING = line(
    location={"latitude": 52.5, "longitude": 13.4, "name": EVIL},
    shared_contacts=[{"name": EVIL}],
    referral={"source": "ad", "headline": EVIL, "url": "javascript:alert(1)"},
    quote={"text": EVIL},
    unsupported="poll",
)


def test_the_console_shows_words_and_links_nothing_but_the_map() -> None:
    shown = str(TranscriptView(DESK).render("shop", [EVERYTHING], []))
    assert "Shared a location" in shown
    assert "Sent a poll" in shown
    assert "<b onclick" not in shown
    assert shown.count("<a ") == 1
    assert 'href="https://www.openstreetmap.org/?mlat=52.500000&amp;mlon=13.400000' in shown


def test_the_desk_shows_words_letter_by_letter_and_links_nothing_but_the_map() -> None:
    blocks = line_blocks(EVERYTHING, "Anna")
    marked = [each["text"] for block in blocks for each in block.get("elements", []) if each["type"] == "mrkdwn"]
    assert [text for text in marked if "evil" in text] == []
    assert sum("openstreetmap" in text for text in marked) == 1
    assert "Came from the ad" in orjson.dumps(blocks).decode()


def test_the_api_has_each_field_only_where_a_message_has_it() -> None:
    whole = serialize_message(EVERYTHING, "shop", DESK)
    assert whole["location"] == {"lat": 52.5, "lon": 13.4, "name": EVIL}
    assert whole["unsupported"] == {"kind": "poll"}
    assert whole["referral"]["kind"] == "ad"
    ChatMessage.model_validate(whole)
    plain = serialize_message(line(text="Hello"), "shop", DESK)
    assert not {"location", "contacts", "referral", "quote", "unsupported"} & plain.keys()
    ChatMessage.model_validate(plain)
