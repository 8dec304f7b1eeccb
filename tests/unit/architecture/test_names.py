"""Names and docstrings say in the words of the field what something is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.source_tree import Module, load_modules
from tests.unit.architecture.name_rules import (
    BARE_WORDS,
    FIELD_TERMS,
    NOT_BARE,
    TEST_TERMS,
    find_test_violations,
    find_violations,
    glossary_words,
    is_bare,
    split_words,
)

RIDDLES = {
    "kinship",
    "slate",
    "stretch",
    "telling",
    "touches",
    "middle",
    "growing",
    "press",
    "turnstile",
    "healer",
    "told",
}


def _faults(source: str, path: str = "connectors/outbound/sender.py") -> set[str]:
    return {f"{each.kind} {each.name}".strip() for each in find_violations([Module(path, source)])}


def test_every_name_is_made_of_the_words_of_the_field() -> None:
    assert {str(each): each.why for each in find_violations(load_modules())} == {}


def test_modules_and_classes_of_the_tests_have_plain_names_too() -> None:
    assert {str(each): each.why for each in find_test_violations()} == {}


@pytest.mark.parametrize("path", [BARE_WORDS, FIELD_TERMS, NOT_BARE, TEST_TERMS])
def test_word_lists_are_sorted_and_hold_each_entry_once(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))


def test_no_riddle_is_a_term_of_the_field() -> None:
    terms = FIELD_TERMS.read_text(encoding="utf-8").split()
    assert RIDDLES & {*terms, *glossary_words()} == set()


def test_identifiers_are_split_into_words() -> None:
    assert split_words("HTTPClient") == ["http", "client"]
    assert split_words("_read_utf8") == ["read", "utf8"]


@pytest.mark.parametrize("word", ["told", "settled", "holding", "otherwise", "plain", "patiently", "until"])
def test_a_participle_an_adjective_and_an_adverb_are_bare(word: str) -> None:
    assert is_bare(word)


@pytest.mark.parametrize("word", ["feed", "embed", "setting", "listen", "reply", "parsing", "token"])
def test_a_verb_and_a_noun_are_not_bare(word: str) -> None:
    assert not is_bare(word)


def test_a_class_needs_known_words_and_a_noun() -> None:
    assert _faults("class Kinship: ...\nclass Settled: ...\nclass Deliveries: ...\n") == {
        "class Kinship",
        "class Settled",
    }


def test_words_that_are_known_together_need_not_be_known_alone() -> None:
    assert _faults("class SmallTalk: ...\nclass OfficeHours: ...\nclass Talk: ...\n") == {"class Talk"}


def test_an_error_may_be_called_after_what_happened() -> None:
    source = "class Base(ValueError): ...\nclass Fenced(Base): ...\nclass Unavailable(Fenced): ...\n"
    assert _faults(source) == {"class Base"}


def test_a_module_needs_known_words() -> None:
    assert _faults("", "connectors/outbound/fates.py") == {"module"}
    assert _faults("", "connectors/outbound/delivery_log.py") == set()


def test_a_function_begins_with_a_verb_where_it_has_one_word() -> None:
    source = """
def told(): ...
def send_told(): ...
class Sender:
    def settled(self) -> bool: ...
    @property
    def retryable(self) -> bool: ...
    @property
    def wanted(self) -> str: ...
    def send(self):
        def apart(): ...
"""
    assert _faults(source) == {
        "function told",
        "function Sender.settled",
        "function Sender.wanted",
        "function Sender.send.apart",
    }


@pytest.mark.parametrize("first", ["What", "Who", "How", "Which", "Where", "Whether", "What's"])
def test_a_module_says_what_it_is_and_asks_no_riddle(first: str) -> None:
    assert _faults(f'"""{first} is sent."""\n') == {"docstring"}
    assert _faults(f'"""Sends {first}."""\n') == set()
