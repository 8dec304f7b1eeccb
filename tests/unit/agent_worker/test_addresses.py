"""Addresses, links and numbers in a question change neither what is found nor how sure the agent is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.search import search_index
from agent_worker.knowledge.text.addresses import remove_addresses
from agent_worker.knowledge.text.query_splitting import split_questions
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.reading.follow_ups import find_dependence
from schemas.conversation import Document
from schemas.ports import SearchResult

NOW = datetime(2026, 3, 2, tzinfo=UTC)
QUESTION = "Can I return a rain jacket that I have worn?"
BODY = """## Can I return a jacket that I have worn?

Rain jackets that were worn cannot be returned.

## Where do I write to?

Write to help@outdoors.example. The number of our shop is 84736251.
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TenantIndex]:
    folder: Path = tmp_path_factory.mktemp("index")
    with closing(TenantIndex(folder, light_encoder())) as opened:
        opened.apply(
            [opened.prepare(Document(id="returns", title="Returns", body=BODY, version=1, updated_at=NOW), "")]
        )
        yield opened


def _search(index: TenantIndex, text: str) -> SearchResult:
    return search_index(index, "shop", text, NOW, light_encoder(), language="en")


@pytest.mark.parametrize(
    "text",
    [
        f"My e-mail is maria.petersen@gmail.com. {QUESTION}",
        f"{QUESTION} my mail: m.petersen84@web.example",
        f"{QUESTION} https://www.instagram.com/p/CxY82kLmQpz/?utm_source=ig",
        f"Order NP-10231: {QUESTION}",
        f"{QUESTION} Order number 73625184, ref AB12-99K4L.",
    ],
)
@pytest.mark.parametrize("encoder", ["light", "words alone"])
def test_an_address_changes_nothing(index: TenantIndex, text: str, encoder: str) -> None:
    """They used to count as words that no document contains, which kept the answer from being sure."""
    found = light_encoder() if encoder == "light" else None
    plain, asked = (search_index(index, "shop", each, NOW, found) for each in (QUESTION, text))
    assert asked.confidence == plain.confidence > 0
    assert asked.passages == plain.passages


def test_an_address_that_a_document_mentions_is_searched_for(index: TenantIndex) -> None:
    result = _search(index, "is help@outdoors.example you")
    assert "help@outdoors.example" in result.passages[0].text
    assert result.confidence > _search(index, "is help@indoors.example you").confidence


@pytest.mark.parametrize(
    ("text", "remaining"),
    [
        ("how do I wash https://outdoors.example/jackets?id=3 by hand", "how do I wash by hand"),
        ("it broke.is there help? see www.outdoors.example", "it broke.is there help?"),
        ("I want a refund, my order number is 84736251", "I want a refund,"),
        ("can I return NP-10231?", "can I return ?"),
    ],
)
def test_only_addresses_and_long_numbers_are_removed(text: str, remaining: str) -> None:
    assert remove_addresses(text) == remaining


@pytest.mark.parametrize(
    "text",
    [
        "are you open on 24.12.2026 or 2026-12-24?",
        "do you deliver to 10115 Berlin",
        "can I pay £250000 in, or 10,000 euros?",
        "call me on +44 20 7946 0018",
        "thanks@all, is the iPhone15 case sold out?",
        "where is NP-10231",
        "maria.petersen@gmail.com",
    ],
)
def test_everything_else_stays(text: str) -> None:
    """So do messages that say nothing else."""
    assert remove_addresses(text) == text


def test_the_parameters_of_a_link_ask_nothing() -> None:
    (asked,) = split_questions(["I found https://shop.example/jackets?id=3 here. Can I return it?"])
    assert asked.words == "Can I return it?"
    assert "https://shop.example/jackets?id=3" in asked.text  # for the model


def test_an_address_does_not_hide_that_a_message_is_a_follow_up() -> None:
    assert find_dependence("how long does it take? my mail is jo.smith-jones@outlook.com") == "reference"
