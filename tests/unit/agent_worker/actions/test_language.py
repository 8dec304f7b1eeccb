"""Which language the phrases are in."""

from __future__ import annotations

import pytest

from agent_worker.actions.dialogue.language import language_of


@pytest.mark.parametrize("known", ["en", "de", "de-AT", "fr"])
@pytest.mark.parametrize("text", ["20 euro", "NP-10231", "043621", "12,50 €", "Garden den, 2", "ann@example.com", ""])
def test_what_is_the_same_in_both_languages_changes_none(text: str, known: str) -> None:
    assert language_of(text, known) == known


@pytest.mark.parametrize(
    ("text", "found"),
    [("ich möchte meine Bestellung stornieren", "de"), ("ja bitte", "de"), ("please cancel it", "en"), ("yes", "en")],
)
def test_words_of_one_language_tell_it(text: str, found: str) -> None:
    assert language_of(text, "fr") == found
