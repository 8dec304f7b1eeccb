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


class Signing:
    """Signs addresses of files."""

    def sign_url(self, tenant: str, attachment: str) -> str:
        return f"/v1/chat/{tenant}/attachments/{attachment}?sig=x"


SPOKEN = "Do you <b>ship</b> to *Malta*?"
VOICE = line(
    text=f"Hello!\n{SPOKEN}",
    attachments=[
        {"id": "a1", "name": "voice.ogg", "type": "audio/ogg", "size": 9, "speech": {"text": SPOKEN, "language": "en"}},
        {"id": "a2", "name": "again.ogg", "type": "audio/ogg", "size": 9, "speech": {"problem": "too_long"}},
        {"id": "a3", "name": "pot.png", "type": "image/png", "size": 9},
    ],
)


def test_the_console_plays_a_voice_note_with_its_words_and_shows_a_picture() -> None:
    """The words stand with the sound, marked as a transcription, and not again in the text."""
    shown = str(TranscriptView(cast(AttachmentService, Signing())).render("shop", [VOICE], []))
    assert shown.count("<audio controls") == 2
    assert 'src="/v1/chat/shop/attachments/a1?sig=x"' in shown
    assert '<img src="/v1/chat/shop/attachments/a3?sig=x" alt="Picture: pot.png"' in shown
    assert shown.count("Do you &lt;b&gt;ship&lt;/b&gt; to *Malta*?") == 2  # beside the sound, and announced to readers
    assert "Voice note, transcribed automatically" in shown
    assert "Voice note, not transcribed: it is too long" in shown


def test_the_desk_marks_spoken_words() -> None:
    blocks = orjson.dumps(line_blocks(VOICE, "Ana")).decode()
    assert "Voice note, transcribed automatically" in blocks
    assert "Do you" in blocks


def test_the_api_has_the_transcription_of_a_file() -> None:
    told = ChatMessage.model_validate(serialize_message(VOICE, "shop", cast(AttachmentService, Signing())))
    assert [file.speech and (file.speech.text, file.speech.problem) for file in told.attachments] == [
        (SPOKEN, ""),
        ("", "too_long"),
        None,
    ]


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
