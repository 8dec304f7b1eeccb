"""Cutting a stream into sentences."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_worker.grounding.numbers import Figure, figures
from agent_worker.grounding.sentence_stream import Sentences, cut

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
    assert cut(TEXT) == PIECES


@pytest.mark.parametrize("seed", range(20))
def test_the_cuts_do_not_depend_on_how_the_text_comes(seed: int) -> None:
    """Token by token or in lumps: the same sentences."""
    chance, left, sentences, out = random.Random(seed), TEXT, Sentences(), []
    while left:
        size = chance.randint(1, 1 + seed)
        out += sentences.add(left[:size])
        left = left[size:]
    assert out + sentences.rest() == PIECES


def test_a_sentence_is_held_back_while_marks_may_follow() -> None:
    """The full stop alone does not make it whole; the first word of the next one does."""
    sentences = Sentences()
    assert sentences.add("A pack costs 4.50 euro. ") == []
    assert sentences.add("[1") == []
    assert sentences.add("] ") == []
    assert sentences.add("Parcels") == ["A pack costs 4.50 euro. [1]"]


def test_nothing_yet_is_no_sentence() -> None:
    """A model that thinks first sends signs of life without text."""
    sentences = Sentences()
    assert sentences.add("") == []
    assert sentences.add("It is free [1].") + sentences.add("") + sentences.rest() == ["It is free [1]."]


@given(st.text(alphabet="aB1.[]! \n-,2é", max_size=60), st.integers(1, 7))
def test_nothing_is_lost_or_doubled(text: str, size: int) -> None:
    """Whatever a model writes: the sentences joined are the text, but for space at its end."""
    assert "".join(cut(text)) == text
    sentences, out = Sentences(), []
    for start in range(0, len(text), size):
        out += sentences.add(text[start : start + size])
    assert "".join(out + sentences.rest()).rstrip() == text.rstrip()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4.50 euro", Figure("4.5", "EUR")),
        ("€ 4,50", Figure("4.5", "EUR")),
        ("1,200 dollars", Figure("1200", "USD")),
        ("1.200,50 EUR", Figure("1200.5", "EUR")),
        ("two working days", Figure("2", "day")),
        ("a 30-day period", Figure("30", "day")),
        ("at −5 °C", Figure("-5", "degree")),
        ("15 percent", Figure("15", "%")),
        ("10:30", Figure("10:30")),
        ("version 1.2.3", Figure("1.2.3")),
        ("the 2nd", Figure("2")),
        ("007", Figure("7")),
        ("0.50", Figure("0.5")),
    ],
)
def test_a_figure_has_one_form(text: str, found: Figure) -> None:
    """However an amount, a time or a count is written."""
    assert figures(text) == [found]
