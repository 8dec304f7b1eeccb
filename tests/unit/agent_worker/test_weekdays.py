"""Days of the week in questions and in the rows of a table."""

from __future__ import annotations

import pytest

from agent_worker.nlu.weekdays import weekdays_in, weekdays_of_labels


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("are you open Sundays?", {6}),
        ("Is anyone there on weekdays or on Saturday?", {0, 1, 2, 3, 4, 5}),
        ("Samstags und Sonntag", {5, 6}),
        ("c'est ouvert le mardi ?", {1}),
        ("sexta de manhã", {4}),
        ("w sobotę", {5}),
        ("в субботу", {5}),
        ("thứ sáu", {4}),
        ("日曜日は営業していますか", {6}),
        ("يوم السبت", {5}),
        ("Is there a discount for seniors this week?", set()),
    ],
)
def test_days_of_a_message(text: str, days: set[int]) -> None:
    assert weekdays_in(text) == days


@pytest.mark.parametrize(
    ("labels", "days"),
    [
        (["Monday to Friday", "Saturdays", "Phone"], [{0, 1, 2, 3, 4}, {5}, set()]),
        (["Mo.–Fr.", "Sa.", "So."], [{0, 1, 2, 3, 4}, {5}, {6}]),
        (["Mon & Wed", "Tue, Thu and Fri"], [{0, 2}, {1, 3, 4}]),
        (["Fri–Mon", "Tue"], [{4, 5, 6, 0}, {1}]),
        (["月〜金", "土"], [{0, 1, 2, 3, 4}, {5}]),
        (["Saturday at the harbour", "Sunday"], [set(), set()]),
        (["Min", "Max"], [set(), set()]),
        ([], []),
    ],
)
def test_days_of_rows(labels: list[str], days: list[set[int]]) -> None:
    """A label is read as days if it says nothing else, and another row's label is days of the same language."""
    assert weekdays_of_labels(labels) == days
