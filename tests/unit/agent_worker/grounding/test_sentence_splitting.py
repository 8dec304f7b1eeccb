"""Cutting a stream into sentences."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_worker.grounding.numbers import Quantity, find_quantities
from agent_worker.grounding.sentence_splitter import SentenceSplitter, split_sentences

TEXT = (
    "Hello! A pack costs 4.50 euro. [1] [2] Parcels leave on Mondays [2]. It takes approx. 5 days [1].\n\n"
    "You need:\n- One pot [1]\n2. Another pot [2]. Dr. Green says so [3]."
)
PIECES = [
    "Hello!",
    " A pack costs 4.50 euro. [1] [2]",
    " Parcels leave on Mondays [2].",
    " It takes approx. 5 days [1].",
    "\n\nYou need:",
    "\n- One pot [1]",
    "\n2. Another pot [2].",
    " Dr. Green says so [3].",
]


def test_sentences_keep_their_marks_and_the_space_before_them() -> None:
    """A mark belongs to the sentence it follows, an item's number to its item."""
    assert split_sentences(TEXT) == PIECES


@pytest.mark.parametrize("seed", range(20))
def test_the_cuts_do_not_depend_on_how_the_text_comes(seed: int) -> None:
    """Token by token or in lumps: the same sentences."""
    chance, left, sentences, out = random.Random(seed), TEXT, SentenceSplitter(), []
    while left:
        size = chance.randint(1, 1 + seed)
        out += sentences.add(left[:size])
        left = left[size:]
    assert out + sentences.flush() == PIECES


def test_a_sentence_is_held_back_while_marks_may_follow() -> None:
    """The full stop alone does not make it whole; the first word of the next one does."""
    sentences = SentenceSplitter()
    assert sentences.add("A pack costs 4.50 euro. ") == []
    assert sentences.add("[1") == []
    assert sentences.add("] ") == []
    assert sentences.add("Parcels") == ["A pack costs 4.50 euro. [1]"]


def test_nothing_yet_is_no_sentence() -> None:
    """A model that thinks first sends signs of life without text."""
    sentences = SentenceSplitter()
    assert sentences.add("") == []
    assert sentences.add("It is free [1].") + sentences.add("") + sentences.flush() == ["It is free [1]."]


@given(st.text(alphabet="aB1.[]! \n-,2é", max_size=60), st.integers(1, 7))
def test_nothing_is_lost_or_doubled(text: str, size: int) -> None:
    """Whatever a model writes: the sentences joined are the text, but for space at its end."""
    assert "".join(split_sentences(text)) == text
    sentences, out = SentenceSplitter(), []
    for start in range(0, len(text), size):
        out += sentences.add(text[start : start + size])
    assert "".join(out + sentences.flush()).rstrip() == text.rstrip()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4.50 euro", Quantity("4.5", "EUR")),
        ("€ 4,50", Quantity("4.5", "EUR")),
        ("1,200 dollars", Quantity("1200", "USD")),
        ("1.200,50 EUR", Quantity("1200.5", "EUR")),
        ("two working days", Quantity("2", "day")),
        ("a 30-day period", Quantity("30", "day")),
        ("at −5 °C", Quantity("-5", "degree")),
        ("15 percent", Quantity("15", "%")),
        ("10:30", Quantity("10:30")),
        ("version 1.2.3", Quantity("1.2.3")),
        ("the 2nd", Quantity("2")),
        ("007", Quantity("7")),
        ("0.50", Quantity("0.5")),
    ],
)
def test_a_figure_has_one_form(text: str, found: Quantity) -> None:
    """However an amount, a time or a count is written."""
    assert find_quantities(text) == [found]
