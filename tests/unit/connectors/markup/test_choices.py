"""Choices without buttons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import (
    PLAIN,
    Measure,
    build_labels,
    count_characters,
    count_utf8,
    count_utf16,
    render,
    shorten,
    split_graphemes,
)
from schemas.choice_matching import match_choice
from schemas.messages import Choice


def choices(*names: str) -> list[Choice]:
    return [Choice(id=f"c{number}", label=name) for number, name in enumerate(names)]


TEAS = choices("Green tea", "Black tea", "None of them")


def test_choices_are_numbered_lines() -> None:
    assert render("Which?", PLAIN, 100, choices=TEAS).parts == (
        "Which?\n\n1. Green tea\n2. Black tea\n3. None of them",
    )


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "2.",
        " 2) ",
        "#2",
        "(2)",
        "[2]",
        "２",
        "٢",
        "۲",
        "२",
        "2️⃣",
        "²",
        "2:",
        "black TEA",
        " 'Black tea!' ",
        "«Black  tea».",
        "2. Black tea",
    ],
)
def test_clear_answers_select_the_second_choice(text: str) -> None:
    assert match_choice(text, TEAS) is TEAS[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "4",
        "22",
        "-2",
        "2.5",
        "2 or 3",
        "1 2",
        "2?",
        "two",
        "2nd",
        "tea",
        "Black",
        "black tea please",
        "2. Green tea",
        "!",
        "2" * 50,
    ],
)
def test_unclear_answers_select_no_choice(text: str) -> None:
    assert match_choice(text, TEAS) is None


def test_a_number_that_means_one_choice_and_names_another_means_none() -> None:
    pots = choices("3", "1", "pot 5")
    assert match_choice("1", pots) is None
    assert match_choice("2", pots) is pots[1]
    assert match_choice("pot 5", pots) is pots[2]


def test_two_choices_of_the_same_name_are_told_apart_by_number_alone() -> None:
    twins = choices("Yes", "yes")
    assert match_choice("yes", twins) is None
    assert match_choice("2", twins) is twins[1]


def test_a_label_of_signs_alone_is_still_a_label() -> None:
    thumbs = choices("👍", "👎", "!!!")
    assert match_choice("👎", thumbs) is thumbs[1]
    assert match_choice("!!!", thumbs) is thumbs[2]


NAMES = st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=20), min_size=1, max_size=12)


@given(NAMES)
def test_each_numbered_line_and_each_number_chooses_what_it_shows(names: list[str]) -> None:
    some = choices(*names)
    (shown,) = render("Which?", PLAIN, 10_000, choices=some).parts
    for choice, line in zip(some, shown.splitlines()[2:], strict=True):
        assert match_choice(line, some) is choice
        assert match_choice(line.partition(".")[0], some) is choice


@given(st.text(), NAMES)
def test_any_text_selects_at_most_one_choice(text: str, names: list[str]) -> None:
    some = choices(*names)
    assert match_choice(text, some) in (None, *some)


def test_a_label_is_shortened_by_whole_characters_as_a_reader_sees_them() -> None:
    assert shorten("Monstera deliciosa", 20) == "Monstera deliciosa"
    assert shorten("Monstera deliciosa", 12) == "Monstera de…"
    assert shorten("👩‍👩‍👧👩‍👩‍👧", 6) == "👩‍👩‍👧…"
    assert shorten("two\nlines", 20) == "two lines"
    assert shorten("👩‍👩‍👧", 3) == "…"


@pytest.mark.parametrize(
    ("names", "limit", "expected"),
    [
        (
            ("Monstera deliciosa, small", "Monstera deliciosa, big"),
            20,
            ["Monstera deliciosa,…", "Monstera delici… (2)"],
        ),
        (("Yes", "yes", "No"), 20, ["Yes", "yes (2)", "No"]),
        (("", "No"), 20, ["(1)", "No"]),
    ],
)
def test_labels_of_one_message_differ(names: tuple[str, ...], limit: int, expected: list[str]) -> None:
    assert build_labels(choices(*names), limit) == expected


PIECES = st.lists(st.sampled_from(["👩‍👩‍👧", "🇩🇪", "e\u0301", "a", "B", " "]), max_size=20).map("".join)


@given(st.lists(PIECES, max_size=13), st.integers(40, 60), st.sampled_from([count_characters, count_utf16, count_utf8]))
def test_labels_of_a_message_are_distinct_short_and_whole(names: list[str], limit: int, measure: Measure) -> None:
    made = build_labels(choices(*names), limit, measure)
    assert len({one.casefold() for one in made}) == len(names)
    for one, name in zip(made, names, strict=True):
        assert 0 < measure(one) <= limit
        kept = split_graphemes(one.partition("…")[0].partition("(")[0].rstrip())
        assert split_graphemes(" ".join(name.split()))[: len(kept)] == kept
