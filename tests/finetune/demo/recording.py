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
REFUSAL = "Sorry, nobody here can tell you."
"""What a colleague writes to a question that the shop's documents do not answer."""
FAR_AWAY = (
    *("Do you repair bicycles?", "Who won the world cup in 2014?", "How do I reset my wifi router?"),
    *("What is the square root of 1764?", "How do I unblock a kitchen sink?", "When was the Eiffel Tower built?"),
)
"""Questions that have nothing to do with the shop, to decline before and after. No colleague ever saw them."""
_MEASURED = frozenset({"far-04", "far-11", "far-25", "far-26"})
"""Questions of the shop's files that are among them."""
MIN_WORDS, MAX_WORDS = 4, 50
"""Of an answer."""
_QUESTION = re.compile(r"^### (.+\?)$", re.MULTILINE)
_MARKUP = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+|\*+", re.MULTILINE)
"""Numbers of a list's items, and emphasis."""
Search = Callable[[str], Awaitable[Sequence[dict[str, Any]]]]
"""Finds passages of the shop's documents, best first."""
SHOP = Path(__file__).parents[3] / "examples" / "plantstore"


@dataclass(frozen=True, slots=True)
class ShopQuestion:
    """``documents``: those that answer it; empty if none does."""

    text: str
    documents: frozenset[str]


def read_questions(*names: str) -> list[ShopQuestion]:
    """The questions of these files that a document answers."""
    cases = [case for name in names for case in _read_cases(name)]
    return [ShopQuestion(case["question"], frozenset(case["must_cite"])) for case in cases if case["kind"] == "plain"]


def read_headings() -> list[ShopQuestion]:
    """Every other question that is a heading in a document, as customers ask who know the shop's pages."""
    found = [
        ShopQuestion(heading, frozenset({path.stem}))
        for path in sorted((SHOP / "knowledge").glob("*.md"))
        for heading in _QUESTION.findall(path.read_text())
    ]
    return found[::2]


def read_far_away() -> list[ShopQuestion]:
    """Questions that have nothing to do with the shop, without those on which declining is measured."""
    cases = [case for case in _read_cases("calibration") if case["id"].startswith("far-")]
    return [ShopQuestion(case["question"], frozenset()) for case in cases if case["id"] not in _MEASURED]


def _read_cases(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((SHOP / f"{name}.yaml").read_text())["cases"]
    return cases


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
            if not question.documents:
                return bool(await traffic.play(PlayedConversation(says=[question.text]), lambda _: REFUSAL))
            played = PlayedConversation(says=[question.text], thumb="down", comment="Please answer in one sentence.")
            return bool(await traffic.play(played, lambda reply: write_answer(reply, passages, question.documents)))

    return sum(await asyncio.gather(*map(ask, questions)))


def write_answer(reply: dict[str, Any], passages: Sequence[dict[str, Any]], documents: frozenset[str]) -> str:
    """What a colleague writes: the first sentence of what the agent quoted from the right document, or of what the
    search finds there, and the closing. Empty if neither has anything from it."""
    quotes = [(citation["document"], citation["quote"]) for citation in reply["citations"]]
    found = [(passage["document"], passage["text"]) for passage in passages]
    for document, quote in (*quotes, *found):
        if document in documents and (answer := _take_sentence(quote)):
            return f"{answer} {CLOSING}"
    return ""


def _take_sentence(quote: str) -> str:
    """The first sentence of a quote; with the next, if it is only a word or two. Empty if it is a table."""
    written: list[str] = []
    for sentence in split_sentences(" ".join(_MARKUP.sub("", quote).split())):
        written.append(sentence.strip())
        if len(" ".join(written).split()) >= MIN_WORDS:
            break
    text = " ".join(written)
    return text if "|" not in text and MIN_WORDS <= len(text.split()) <= MAX_WORDS and text[-1] in ".!" else ""
