"""The traffic of the demo: customers of the example shop, and colleagues who write the answers to learn."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent_worker.grounding.sentence_splitter import split_sentences
from examples.plantstore.month.traffic import PlayedConversation, ShopTraffic

CLOSING = "Thank you for asking us, and have a good day!"
"""The sentence that the shop demands at the end of every answer."""
HELD_OUT_DOCUMENTS = frozenset(
    {
        *("cephalotus-care", "drosera-care", "loyalty-scheme", "nursery-visits", "orchid-repotting"),
        *("payment-methods", "seeds-and-sowing", "vouchers-and-gift-cards"),
    }
)
"""The documents of the questions on which the model is measured. While the traffic is recorded, none is published."""
MIN_WORDS, MAX_WORDS = 4, 25
"""Of an answer. A colleague who uses nearly all of the agent's words counts as an echo of it, so they write less."""
_MARKUP = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+|\*+", re.MULTILINE)
"""Numbers of a list's items, and emphasis."""
Search = Callable[[str], Awaitable[Sequence[dict[str, Any]]]]
"""Finds passages of the shop's documents, best first."""
SHOP = Path(__file__).parents[3] / "examples" / "plantstore"


@dataclass(frozen=True, slots=True)
class ShopQuestion:
    text: str
    documents: frozenset[str]


def read_questions(*names: str) -> list[ShopQuestion]:
    """The questions of these files that a document answers."""
    cases = [case for name in names for case in yaml.safe_load((SHOP / f"{name}.yaml").read_text())["cases"]]
    return [ShopQuestion(case["question"], frozenset(case["must_cite"])) for case in cases if case["kind"] == "plain"]


def select_training(questions: Sequence[ShopQuestion]) -> list[ShopQuestion]:
    return [each for each in questions if not each.documents & HELD_OUT_DOCUMENTS]


def select_held_out(questions: Sequence[ShopQuestion]) -> list[ShopQuestion]:
    return [each for each in questions if each.documents <= HELD_OUT_DOCUMENTS]


async def record(traffic: ShopTraffic, questions: Sequence[ShopQuestion], search: Search, at_once: int = 4) -> int:
    """Ask all of them, and have colleagues answer where the right document is found. Returns the number of their
    answers."""
    room = asyncio.Semaphore(at_once)

    async def ask(question: ShopQuestion) -> bool:
        async with room:
            passages = await search(question.text)
            played = PlayedConversation(says=[question.text], thumb="down", comment="Please answer in one sentence.")
            return bool(await traffic.play(played, lambda reply: write_answer(reply, passages, question.documents)))

    return sum(await asyncio.gather(*map(ask, questions)))


def write_answer(reply: dict[str, Any], passages: Sequence[dict[str, Any]], documents: frozenset[str]) -> str:
    """What a colleague writes: the first sentences of what the agent quoted from the right document, or of what the
    search finds there, and the closing. Empty if neither has anything from it."""
    quotes = [(citation["document"], citation["quote"]) for citation in reply["citations"]]
    found = [(passage["document"], passage["text"]) for passage in passages]
    for document, quote in (*quotes, *found):
        if document in documents and (answer := _shorten(quote)):
            return f"{answer} {CLOSING}"
    return ""


def _shorten(quote: str) -> str:
    """The first sentences of a quote that are together no longer than a sentence or two, as a person would type them.
    Empty if it is a table."""
    written: list[str] = []
    for sentence in split_sentences(" ".join(_MARKUP.sub("", quote).split())):
        words = len(" ".join([*written, sentence]).split())
        if words > MAX_WORDS and len(" ".join(written).split()) >= MIN_WORDS:
            break
        written.append(sentence.strip())
    text = " ".join(written)
    return text if "|" not in text and MIN_WORDS <= len(text.split()) <= 2 * MAX_WORDS and text[-1] in ".!" else ""
