"""The results of a replay as JSON lines and as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent_worker.learning.replay import Answer, ReplayedTurn
from gateway.replay.report import Counts, mark_differences, render_page, to_json
from schemas.messages import Citation

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def turn(before: str, after: str, **more: Any) -> ReplayedTurn:
    citation = Citation(n=1, document="shipping", title="Shipping", heading="Winter", version=3, quote="4.50 euro")
    asked = more.pop("asked", ("What does it cost?",))
    return ReplayedTurn(
        "c1", "web", "t1", AT, Answer(before, [citation]), Answer(after, [citation]), asked=asked, **more
    )


def test_a_line_has_the_fields_of_the_contract() -> None:
    row = to_json(turn("It costs 4.50 euro.", "It costs 6.90 euro."))
    assert {name: row[name] for name in ("turn", "same", "before", "after", "diverged")} == {
        "turn": "t1",
        "same": False,
        "before": "It costs 4.50 euro.",
        "after": "It costs 6.90 euro.",
        "diverged": False,
    }
    missing = to_json(turn("Yes.", "", missing="message m1 is no longer on the log"))
    assert (missing["same"], missing["diverged"]) == (False, True)
    assert "no longer on the log" in missing["reason"]


def test_every_turn_is_counted_once() -> None:
    turns = [
        turn("a", "a"),
        turn("a", "b"),
        turn("a", "a", diverged="x: not recorded"),
        turn("a", "", missing="gone", diverged="x: not recorded"),
    ]
    assert Counts.of(turns) == Counts(turns=4, same=1, changed=1, diverged=1, missing=1)


def test_only_the_words_that_differ_are_marked() -> None:
    before, after = mark_differences("It costs 4.50 euro.", "It costs 6.90 euro now.")
    assert [text for text, changed in before if changed] == ["4.50 euro."]
    assert "".join(text for text, _ in before) == "It costs 4.50 euro."
    assert "".join(text for text, _ in after) == "It costs 6.90 euro now."


def test_nothing_is_marked_in_answers_to_different_things() -> None:
    before, after = "Your order is on its way.", "I cannot look that up at the moment."
    assert mark_differences(before, after) == ([(before, False)], [(after, False)])


def test_long_texts_are_not_compared_word_by_word() -> None:
    long = "word " * 5_000
    assert mark_differences(long, long + "end") == ([(long, False)], [(long + "end", False)])


def test_the_page_shows_both_answers_and_escapes_what_people_wrote() -> None:
    hostile = turn("It is <b>4.50</b>.", "<script>alert(1)</script>", asked=("<img src=x>",))
    page = render_page("shop", [hostile, turn("same", "same")])
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "2 turns, 04 May 2026 to 04 May 2026" in page
    assert "<li><strong>1</strong> changed</li>" in page
    assert page.count("<article") == 1


def test_the_page_says_so_if_nothing_has_changed() -> None:
    assert "Every turn gives the same answer." in render_page("shop", [turn("a", "a")])
