"""The kind of figure that a question wants, and whether a text gives one."""

from __future__ import annotations

import pytest

from agent_worker.reading.question_form import Figure, has_figure, wanted_figure


@pytest.mark.parametrize(
    ("question", "figure"),
    [
        ("How much is a crown?", "price"),
        ("what's the fee for a late return", "price"),
        ("cost of a crown", "price"),
        ("and the price for two nights?", "price"),
        ("What does the theory course cost?", "price"),
        ("what time is theory?", "clock"),
        ("What time of year is best?", "time"),
        ("how many times can I fail", "frequency"),
        ("and when do you open on Sundays?", "time"),
        ("How long does it take?", "time"),
        ("how many weeks until it arrives", "time"),
        ("How many seats are there?", "number"),
        ("what size is the pot?", "number"),
        ("Which colours are there?", "colour"),
        ("Do you ship to Norway?", None),
        ("Wie viel kostet das?", None),
    ],
)
def test_a_question_wants_a_figure(question: str, figure: Figure | None) -> None:
    assert wanted_figure(question) == figure


@pytest.mark.parametrize(
    ("figure", "given", "missing"),
    [
        ("price", "It is free of charge.", "Ask at the desk."),
        ("price", "12 euros", "twelve of them"),
        ("price", "The fee is 2 %.", "74 % pass at the first attempt."),
        ("clock", "Mondays from 18:30 to 20:00", "It can be repeated after two weeks."),
        ("clock", "From 9 to 5.", "On 3 days of the week."),
        ("clock", "at 7 pm", "on 7 May"),
        ("frequency", "Every two weeks.", "It can be repeated after two weeks."),
        ("frequency", "As often as you like.", "At the first attempt."),
        ("time", "Until Friday.", "At the back door."),
        ("time", "Within 3 working days.", "Suit, two-piece: £17.50 / three-piece: 22 euros"),
        ("time", "Twice a year, for £5.", "$5 or 10 %"),
        ("number", "Both rooms have one.", "In the yard."),
        ("colour", "The tags are reddish.", "The tags are small."),
    ],
)
def test_a_text_gives_a_figure_or_not(figure: Figure, given: str, missing: str) -> None:
    assert has_figure(figure, given)
    assert not has_figure(figure, missing)
