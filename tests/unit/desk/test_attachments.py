"""Files stand below the words that they came with, and say what they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.slack.desk.render_transcript import line_blocks
from schemas.messages import Attachment, Author, TranscriptMessage

LINE = TranscriptMessage(
    id="1", author=Author(kind="contact"), text="My story …", created_at=datetime(2026, 5, 4, tzinfo=UTC)
)
FILE = Attachment(id="f" * 64, name="message.txt", type="text/plain", size=20_000)


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({}, "📎 message.txt"),
        ({"missing": "gone"}, "📎 message.txt (not available: gone)"),
        ({"full_text": True}, "📎 message.txt (the whole message; only its beginning is shown above)"),
        (
            {"full_text": True, "missing": "too_large"},
            "📎 message.txt (the whole message; only its beginning is shown above, not available: too_large)",
        ),
    ],
)
def test_a_file_says_what_it_is(more: dict[str, object], shown: str) -> None:
    line = LINE.model_copy(update={"attachments": [FILE.model_copy(update=more)]})
    assert shown in str(line_blocks(line, "Ann")[-1])
