"""Messages that are a yes or a no as a whole, by language."""

from __future__ import annotations

import re

import pytest

from agent_worker.nlu.yes_no import load_answer_phrases, repeats_in_yes, yes_or_no
from tests.harness.time_growth import assert_in_proportion

PHRASES = load_answer_phrases()
SPOKEN_MOST = re.findall(r"\w+", "en zh hi es fr ar bn pt ru ur id de ja pcm mr te tr ta yue vi")


def phrases(language: str, kind: str) -> list[str]:
    return [phrase for phrase in getattr(PHRASES[language], kind).split("|") if phrase.strip()]


def test_the_twenty_languages_that_most_people_speak_have_a_row() -> None:
    assert set(SPOKEN_MOST) <= set(PHRASES)
    assert all(len(phrases(language, kind)) >= 5 for language in SPOKEN_MOST for kind in ("yes", "no"))


@pytest.mark.parametrize("language", PHRASES)
def test_each_phrase_of_a_row_means_that_to_whoever_writes_the_language(language: str) -> None:
    """However it is typed: loud, without its diacritics, with marks around it."""
    for kind in ("yes", "no"):
        for phrase in phrases(language, kind):
            for typed in (phrase, phrase.upper(), f" {phrase} !!", f"«{phrase}»"):
                assert yes_or_no(typed, language) == kind, typed
    for phrase in phrases(language, "unclear"):
        assert yes_or_no(phrase, language) == "unclear", phrase


def test_no_phrase_is_a_yes_for_one_and_a_no_for_another_when_nobody_knows_who_writes() -> None:
    for language in PHRASES:
        for kind, other in (("yes", "no"), ("no", "yes")):
            assert other not in {yes_or_no(phrase) for phrase in phrases(language, kind)}, language


@pytest.mark.parametrize(
    ("text", "language", "answer"),
    [
        ("yesss!!", "en", "yes"),
        ("YES PLEASE :)", "en", "yes"),
        ("ok, thank you", "en", "yes"),
        ("👍🏽", "en", "yes"),
        ("✅", "", "yes"),
        ("👌🏿 ok", "en", "yes"),
        ("ok 👎", "en", "unclear"),
        ("👍👎", "en", "unclear"),
        ("noooo", "en", "no"),
        ("sí, por favor", "en", "yes"),
        ("oui merci", "en", "yes"),
        ("tak", "en", "yes"),
        ("tak", "da", ""),
        ("ne", "el", "yes"),
        ("ne", "bg", "no"),
        ("ne", "en", "unclear"),
        ("ne", "tr", "unclear"),
        ("no", "en", "no"),
        ("no", "pl", "unclear"),
        ("no", "cs-CZ", "unclear"),
        ("da", "ru", "yes"),
        ("da", "de", "unclear"),
        ("hai", "ja", "yes"),
        ("hai", "it", "unclear"),
        ("ha", "en", ""),
        ("ha", "hi", "yes"),
        ("yes?", "en", "unclear"),
        ("yes no", "en", "unclear"),
        ("cancel", "en", "unclear"),
        ("大丈夫です", "ja", "unclear"),
        ("いいえ、結構です", "ja", "no"),
        ("아니요, 괜찮아요", "ko", "no"),
        ("不用了，谢谢", "zh", "no"),
    ],
)
def test_a_whole_message_is_read_as_yes_or_no(text: str, language: str, answer: str) -> None:
    assert yes_or_no(text, language) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "...",
        "3",
        "yes 2",
        "yes but change the address",
        "yes, when will it arrive?",
        "ok so how long does it take",
        "no problem with the plant though",
        "thanks",
        "yes " * 30,
        "🌵",
        "yes 🌵",
        "y'all",
        "okra",
        "sino",
        "norway",
        "\u200b",
    ],
)
def test_anything_more_or_else_is_no_answer(text: str) -> None:
    assert yes_or_no(text, "en") == ""


@pytest.mark.parametrize("piece", ["yes ", "y", "👍", "ok ne ", "\u0301"])
def test_long_messages_cost_no_more_than_their_length(piece: str) -> None:
    assert_in_proportion(lambda size: piece * size, yes_or_no, 4_000)


@pytest.mark.parametrize(
    ("text", "language", "is_yes"),
    [
        ("yes, move it", "en", True),
        ("yes please move the delivery", "en", True),
        ("yes, another day", "en", False),
        ("yes, to another day", "en", False),
        ("yes, the delivery", "en", False),
        ("no, move it", "en", False),
        ("move it", "en", False),
        ("yes, move it?", "en", False),
        ("please move it", "en", False),
        ("Please move my delivery, thanks!", "en", False),
        ("yes please, move it, thank you", "en", True),
    ],
)
def test_a_yes_may_repeat_the_verb_of_what_is_to_be_done(text: str, language: str, is_yes: bool) -> None:
    assert repeats_in_yes(text, language, "Move a delivery to another day", "Order number Day of delivery") is is_yes


def test_in_german_the_verb_stands_last() -> None:
    title, objects = "Die Lieferung auf einen anderen Tag verschieben", "Bestellnummer Liefertag"
    assert repeats_in_yes("ja, bitte verschieben", "de", title, objects)
    assert not repeats_in_yes("ja, an einem anderen Tag", "de", title, objects)
    assert not repeats_in_yes("Bitte die Lieferung verschieben", "de", title, objects)
