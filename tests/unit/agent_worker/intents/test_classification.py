"""Danger, wishes and risks are found in every language, and hardly ever where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.models.local.small_talk import asks_for_person, classify_small_talk
from agent_worker.nlu.classification import (
    LANGUAGES,
    PhraseTable,
    Topic,
    is_upset,
    load_phrase_table,
    small_talk_kind,
    topics_in,
)
from agent_worker.nlu.phrase_matcher import parse_pattern, pattern_lines
from agent_worker.translations import LANGUAGES as TRANSLATED
from agent_worker.voice import DEFAULT_VOICE, Voice, translate_voice
from tests.harness.sizes import size

HERE = Path(__file__).parent
SHOP = Path(__file__).parents[4] / "examples" / "plantstore"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


WISHES = read(HERE / "wishes.yaml")
MORE = read(HERE / "more_wishes.yaml")
ORDINARY = read(HERE / "ordinary.yaml")
UPSET = read(HERE / "upset.yaml")


def is_recognized(topic: str, text: str) -> bool:
    return topic in topics_in(text) or (topic == "person" and asks_for_person(text))


def texts_in(node: Any) -> Iterator[str]:
    """All that is asked somewhere in a file of questions."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("ask", "question", "text", "q") and isinstance(value, str):
                yield value
            else:
                yield from texts_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from [value] if isinstance(value, str) else texts_in(value)


@pytest.mark.parametrize("language", WISHES)
def test_wishes_and_risks_are_understood(language: str) -> None:
    """At least 19 of 20 in each language."""
    said = [(topic, text) for topic, texts in WISHES[language].items() for text in texts]
    missed = [text for topic, text in said if not is_recognized(topic, text)]
    assert len(said) == 20
    assert len(missed) <= 1, missed


@pytest.mark.parametrize("language", MORE)
def test_danger_and_the_wish_for_a_person_are_understood(language: str) -> None:
    missed = [text for topic, texts in MORE[language].items() for text in texts if not is_recognized(topic, text)]
    assert missed == []


def test_ordinary_questions_raise_no_alarm() -> None:
    """At most 1 in 100 goes to people, or is taken for small talk."""
    shop = [text for name in ("questions", "unseen", "calibration") for text in texts_in(read(SHOP / f"{name}.yaml"))]
    asked = [*ORDINARY, *(text for text in shop if " " in text)]
    assert len(asked) >= 400
    alarms = [text for text in asked if topics_in(text).keys() - {"deletion"} or asks_for_person(text)]
    assert len(alarms) <= len(asked) / 100, alarms
    assert [text for text in ORDINARY if classify_small_talk(text, [])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_has_words_for_everything(language: str) -> None:
    table = load_phrase_table(language)
    for name in PhraseTable.model_fields:
        assert getattr(table, name).strip(), name
    for topic in (*get_args(Topic), "negated"):
        for line in pattern_lines(getattr(table, topic)):
            elements = parse_pattern(topic, language, line).elements
            assert elements, line
            assert all(one for element in elements for one in element.exact), line


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["greeting", "thanks", "goodbye", "complaint", "abilities", "presence"])
def test_each_phrase_is_the_small_talk_that_its_list_says(language: str, kind: str) -> None:
    """But for a few that a language shares with another: nine in ten at least."""
    phrases = getattr(load_phrase_table(language), kind).split("|")
    other = [phrase for phrase in phrases if small_talk_kind(phrase) != kind]
    assert len(other) <= len(phrases) / 10, other


def test_every_language_has_words_of_upset_contacts() -> None:
    assert [text for texts in UPSET.values() for text in texts if not is_upset(text)] == []
    assert sorted(UPSET) == sorted(LANGUAGES)


@pytest.mark.parametrize(
    "text",
    [
        "What if I'm not happy with my haircut?",
        "Can I get my money back if I am not satisfied?",
        "was wenn ich nicht zufrieden bin?",
        "et si je ne suis pas satisfait ?",
        "y si no estoy contenta?",
        "e se non sono soddisfatta?",
        "en als ik niet tevreden ben?",
        "e se eu não ficar satisfeito?",
        "a jeśli nie będę zadowolona?",
    ],
)
def test_whoever_asks_about_a_disappointment_is_not_upset_yet(text: str) -> None:
    assert not is_upset(text)


def test_ordinary_questions_upset_nobody() -> None:
    shop = [text for name in ("questions", "unseen", "calibration") for text in texts_in(read(SHOP / f"{name}.yaml"))]
    upset = [text for text in (*ORDINARY, *shop, "I was not disappointed, thanks!") if is_upset(text)]
    assert upset == []


def test_negated_wishes_are_none() -> None:
    assert not topics_in("I don't want to talk to a person")
    assert not topics_in("No quiero hablar con una persona")
    assert not topics_in("Ich will nicht mit einem Mitarbeiter sprechen")
    assert topics_in("Ich will nicht mit einem Bot sprechen, sondern mit einem Menschen") == {"person": "de"}


@pytest.mark.parametrize(
    "text",
    [
        "ICH WILL MICH UMBRINGEN",
        "ich  will mich\numbringen",
        "Ich will mich umbriiiingen!!!",
        "ｉｃｈ ｗｉｌｌ ｍｉｃｈ ｕｍｂｒｉｎｇｅｎ",
    ],
)
def test_spelling_makes_no_difference(text: str) -> None:
    assert topics_in(text) == {"danger": "de"}


def test_repeated_letters_make_no_danger_of_a_harmless_word() -> None:
    assert topics_in("Do you sell suicide pppalms?") == {}
    assert topics_in("I am suiiicidal") == {"danger": "en"}


def test_a_danger_at_the_end_of_a_long_message_is_heard() -> None:
    assert topics_in("My order has not come. " * 2000 + "I want to kill myself") == {"danger": "en"}


@settings(max_examples=200)
@given(st.data())
def test_spelling_variants_of_ordinary_questions_raise_no_alarm(data: st.DataObject) -> None:
    """Case, spaces, punctuation and repeated letters make no danger of it."""
    text = data.draw(st.sampled_from(ORDINARY))
    change: Callable[[str], str] = data.draw(
        st.sampled_from(
            [str.upper, str.lower, str.title, lambda t: t.replace(" ", "  "), lambda t: t + "!!!", lambda t: f"... {t}"]
        )
    )
    place = data.draw(st.integers(0, len(text) - 1))
    # Three and more are emphasis; a letter typed twice is a typo, which may well ring the alarm.
    repeated = text[:place] + text[place] * data.draw(st.sampled_from([1, 3, 4])) + text[place + 1 :]
    assert "danger" not in topics_in(change(repeated))


@pytest.mark.parametrize("unit", ["i want to ", "我想", "nicht mit ", "a ", "म", "!?", "haha"])
def test_time_grows_with_the_text(unit: str) -> None:
    """Twice the text takes about twice the time; a quadratic search would take four times."""

    def seconds(times: int) -> float:
        best = 9.0
        for turn in range(3):
            text = unit * times + str(turn)
            begun = time.process_time()
            topics_in(text)
            small_talk_kind(text)
            best = min(best, time.process_time() - begun)
        return best

    small = size(10_000, full=40_000) // len(unit)
    assert seconds(4 * small) < 10 * seconds(small) + 0.05


@pytest.mark.parametrize("language", sorted({*TRANSLATED} - {"en"}))
def test_a_contact_in_danger_gets_the_emergency_reply_in_their_language(language: str) -> None:
    """Where the tenant has not put it in words of its own."""
    voice = translate_voice(DEFAULT_VOICE, language)
    assert voice.danger != DEFAULT_VOICE.danger
    assert voice.handoff != DEFAULT_VOICE.handoff
    assert translate_voice(Voice(danger="Call."), language).danger == "Call."


def test_all_languages_have_words_for_danger() -> None:
    assert LANGUAGES == TRANSLATED
