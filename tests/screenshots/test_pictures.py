"""The pictures in the docs are of what the product shows: each run takes them anew, into ``reports/pictures``. Those in
the docs are only looked at; ``make pictures`` makes them."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from playwright.async_api import Browser

from tests.harness.processes import ForkServer
from tests.screenshots import console, desk
from tests.screenshots.pictures import DOCS, ROOT, Screenshots, looks, size
from tests.widget.conftest import browser

__all__ = ["browser"]
pytestmark = pytest.mark.slow

TAKEN = ROOT / "reports" / "pictures"
DESK, PHONE = (1180, 860), (390, 760)
FIXED = {
    "console-list": DESK,
    "console-conversation": DESK,
    "console-knowledge-dark": DESK,
    "console-phone-dark": PHONE,
}
"""The size of a window. Other pictures are as high as what they show."""
SAID = {
    "desk-card": (
        "Anna Vogel · Web · en",
        "waiting for a person",
        "Why:",
        "My pitcher plant arrived frozen today.",
        "heat pack",
        "Claim Return",
    ),
    "desk-thread": (
        "with Mo Lindqvist",
        "The customer has been waiting since",
        "the crown is still firm",
        "// That box sat in the depot",
        "keep it cool and shaded this week",
        "Only visible to you",
        "Draft · only people see this",
        "Send Edit Discard",
    ),
    "desk-thread-dark": ("with Mo Lindqvist", "Draft · only people see this"),
    "desk-request-dark": ("Approval needed", "Anna Vogel", desk.ORDER, "90.00", "Approve Deny"),
    "console-list": ("Conversations", "I want to talk to a person", "Anna Bloom"),
    "console-conversation": ("I am looking at your parcel now.", "Why", "Resolve"),
    "console-knowledge-dark": ("Route local", "The documents contain an answer yes", "Norway"),
    "console-phone-dark": ("Are pitcher plants safe for cats?", "Take over"),
}
MARGIN = 0.15
"""Of the height: other machines have other fonts, whose lines are higher and end elsewhere."""


@pytest.fixture(scope="module")
async def album(fork_server: ForkServer, browser: Browser) -> Screenshots:
    TAKEN.mkdir(parents=True, exist_ok=True)
    for old in TAKEN.glob("*.png"):
        old.unlink()
    album = Screenshots(TAKEN)
    await asyncio.gather(console.play(fork_server, browser, album), desk.play(fork_server, browser, album))
    return album


@pytest.mark.parametrize("name", SAID)
async def test_a_picture_shows_what_people_see_and_the_docs_have_its_like(
    album: Screenshots, browser: Browser, name: str
) -> None:
    said = album.said[name]
    assert [words for words in SAID[name] if words not in said] == [], said
    width, height = taken = size(album.path(name))
    assert taken == FIXED.get(name, (desk.WIDTH, height))
    shown = await looks(browser, b64encode(album.path(name).read_bytes()).decode())
    assert shown.colors > 100, shown
    assert 0.2 < shown.ground < 0.98, shown
    assert (shown.light < 0.3) == name.endswith("dark"), shown
    in_docs = size(DOCS / f"{name}.png")
    assert in_docs[0] == width
    assert abs(in_docs[1] - height) <= MARGIN * height, (in_docs, taken, said)


def test_every_picture_of_people_at_work_is_taken_here_and_shown_in_the_docs() -> None:
    shown = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert {path.stem for kind in ("desk", "console") for path in DOCS.glob(f"{kind}-*.png")} == set(SAID)
    assert [name for name in SAID if f"(images/{name}.png)" not in shown] == []
