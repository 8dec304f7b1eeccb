"""Days of the week and months in questions and in tables."""

from __future__ import annotations

import pytest

from agent_worker.nlu.calendar_names import periods_in, periods_of_labels


def days(*numbers: int) -> set[tuple[int, int]]:
    return {(7, number) for number in numbers}


def months(*numbers: int) -> set[tuple[int, int]]:
    return {(12, number) for number in numbers}


@pytest.mark.parametrize(
    ("text", "periods"),
    [
        ("are you open Sundays?", days(6)),
        ("Is anyone there on weekdays or on Saturday?", days(0, 1, 2, 3, 4, 5)),
        ("Samstags und Sonntag", days(5, 6)),
        ("c'est ouvert le mardi ?", days(1)),
        ("sexta de manhã", days(4)),
        ("w sobotę", days(5)),
        ("в субботу", days(5)),
        ("thứ sáu", days(4)),
        ("日曜日は営業していますか", days(6)),
        ("يوم السبت", days(5)),
        ("Is there a discount for seniors this week?", set()),
        ("how much is a double in august or in May?", months(5, 8)),
        ("may I march in?", set()),
        ("was kostet das im März", months(3)),
        ("сколько стоит в июле", months(7)),
        ("11月の料金は", months(11)),
        ("a mail from Maya", set()),
    ],
)
def test_periods_of_a_message(text: str, periods: set[tuple[int, int]]) -> None:
    assert periods_in(text) == periods


@pytest.mark.parametrize(
    ("labels", "periods"),
    [
        (["Monday to Friday", "Saturdays", "Phone"], [days(0, 1, 2, 3, 4), days(5), set()]),
        (["Mo.–Fr.", "Sa.", "So."], [days(0, 1, 2, 3, 4), days(5), days(6)]),
        (["Mon & Wed", "Tues, Thu and Fri"], [days(0, 2), days(1, 3, 4)]),
        (["Fri–Mon", "Tue"], [days(4, 5, 6, 0), days(1)]),
        (["月〜金", "土"], [days(0, 1, 2, 3, 4), days(5)]),
        (["Jul–Sep", "Apr–Jun, Oct", "Nov–Mar"], [months(7, 8, 9), months(4, 5, 6, 10), months(11, 12, 1, 2, 3)]),
        (["Winter (November to March)", "Summer (Apr–Oct)"], [months(11, 12, 1, 2, 3), months(4, 5, 6, 7, 8, 9, 10)]),
        (["daily", "Friday to Sunday"], [days(*range(7)), days(4, 5, 6)]),
        (["Low (1 Nov - 31 Mar)", "15 Apr – 3 May", "1 kg"], [months(11, 12, 1, 2, 3), months(4, 5), set()]),
        (["Low (1 Nov - 31 Mar)", "1st of April", "10:00 May"], [set(), set(), set()]),
        (["from 1 Apr", "1 Apr – 30 Jun", "7 Jul"], [set(), months(4, 5, 6), months(7)]),
        (["Saturday at the harbour", "Sunday"], [set(), set()]),
        (["Min", "Max"], [set(), set()]),
        ([], []),
    ],
)
def test_periods_of_labels(labels: list[str], periods: list[set[tuple[int, int]]]) -> None:
    """A label is read if it says nothing else, and another one is a period in the same language."""
    assert periods_of_labels(labels) == periods
