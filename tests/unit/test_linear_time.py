"""Any input from a stranger is read in time proportional to its length."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from yarl import URL

from agent_worker.actions.parsing import ParseContext
from agent_worker.actions.parsing.identifiers import identifiers
from agent_worker.actions.slot_filling.action_matching import match_action
from agent_worker.grounding.gate import Gate
from agent_worker.knowledge.text.query_splitting import split_questions
from agent_worker.models.local.extraction import select_quotes
from agent_worker.models.providers.masking_provider import Placeholders
from agent_worker.nlu.corrections import apply_corrections
from agent_worker.reading.follow_ups import read_follow_up
from agent_worker.router.phrase_search import anger_score, find_phrase
from agent_worker.sources.captions import SubRip, WebVtt, make_cue, sentences_of
from agent_worker.sources.website.links import read_instructions
from connectors.inbound.envelopes import mask_event
from connectors.inbound.long_texts import cut_long_text
from gateway.training_export.examples import Anonymizer
from schemas import topics
from schemas.messages import Author, TranscriptMessage
from schemas.ports import ActionOffer, ActionResult, ChannelEvent, Passage
from schemas.privacy.cards import mask_cards
from schemas.privacy.harmless_numbers import compile_own_numbers
from schemas.privacy.personal_data import PersonalData
from tests.harness import worst_case_texts

TODAY = ParseContext(date(2026, 5, 4), asked=True)
OWN = compile_own_numbers(["PS-#####", "AB@-######"])
FILLS: dict[str, object] = {
    "int": 5,
    "bool": False,
    "Context": TODAY,
    "OwnNumbers | None": OWN,
    "Sequence[TranscriptMessage]": (),
    "Sequence[Choice]": (),
    "Sequence[str]": (),
    "Mapping[str, str]": {},
    "datetime": datetime(2026, 5, 4, tzinfo=UTC),
}
NOT_A_STRANGERS = (
    # Programs, the operator's words, and names of our own.
    *(
        "infra.",
        "gateway.commands",
        "gateway.cli",
        "gateway.config.operators",
        "gateway.wiring.listening",
        "gateway.doctor.vendors",
    ),
    *(
        "schemas.runtime.crash_points",
        "gateway.commands.common.wire_schemas",
        "connectors.registry",
        "connectors.settings.require_pattern",
    ),
    *("agent_worker.actions.registry", "agent_worker.sources.registry"),
    "agent_worker.actions.parsing.identifiers.identifiers",
    # Words of at most 60 characters, and sets of letters that are to be escaped.
    *("agent_worker.knowledge.text.analysis.edit_distance", "connectors.markup.dialects.escaping.percent_encode"),
    # Markdown is rendered under a deadline.
    *("connectors.slack.desk.block_kit.", "connectors.markup.dialects.web.render_html"),
)
"""Begin the names of functions that are given no text of a stranger."""
MADE_LATER = {
    "schemas.privacy.harmless_numbers.compile_own_numbers": "masked with own numbers",
    "agent_worker.actions.slot_filling.action_matching._possessions_pattern": "match_action",
    "agent_worker.actions.parsing.identifiers._read_standalone": "identifiers of any shape",
    "agent_worker.actions.parsing.identifiers._shapes": "identifiers",
    "agent_worker.actions.parsing.identifiers._restore": "identifiers",
    "agent_worker.nlu.corrections._replace_in_place": "a correction",
    "agent_worker.models.providers.remote_model._remove_names": "",
    "agent_worker.nlu.corrections._swap": "a correction",
    "agent_worker.nlu.calendar_names._word_pattern": "",
    "agent_worker.nlu.language_detection._courtesies": "",
    "agent_worker.router.phrase_search._pattern": "phrases",
    "agent_worker.sources.layout._normalize_line": "",
    "connectors.settings.require_pattern": "",
    "gateway.config.actions.ParameterSettings._check": "",
    "schemas.privacy.personal_data.PersonalData.__init__": "anonymity",
    "agent_worker.models.providers.masking_provider.Placeholders.mask": "placeholders",
}
"""Functions that make a pattern, because only a configuration or a document tells what to look for; by which of
``MORE`` such a pattern is tried. Empty where no stranger's text is matched with it, or it is an escaped word."""


async def _call(_: object) -> ActionResult:
    raise AssertionError


OFFER = ActionOffer(
    name="cancel",
    description="Cancels an order",
    parameters={"type": "object", "properties": {"order": {"type": "string", "pattern": "^NP-[0-9]{5}$"}}},
    risk="write",
    examples=["Cancel my order", "I want to cancel my order NP-10231"],
    call=_call,
)
PASSAGE = Passage("shop", "a", 1, "Shipping", "Winter", "", "We ship in winter, with a heat pack for 2.50 euro.", 1.0)


def _contact_line(text: str) -> TranscriptMessage:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return TranscriptMessage(seq=1, id="1", author=Author(kind="contact"), text=text, created_at=now)


def _event(text: str) -> ChannelEvent:
    return ChannelEvent(topics.MESSAGE_RECEIVED, "place", "1", {"text": text, "name": text[:100]}, [])


def mask_for_a_model(text: str) -> object:
    placeholders = Placeholders(PersonalData(OWN, ["Ann Lee"]), [text])
    placeholders.mask_fact("address", text[:60])
    return placeholders.restore(placeholders.mask(f"{text} at {text}"))


MORE: dict[str, Callable[[str], object]] = {
    "masked with own numbers": lambda text: mask_cards(text, OWN),
    "a message on its way in": lambda text: mask_event(cut_long_text(_event(text))[0], OWN),
    "match_action": lambda text: match_action(text, [OFFER]),
    "identifiers": lambda text: identifiers(text, TODAY, "^NP-[0-9]{5}$"),
    "identifiers of any shape": lambda text: identifiers(text, TODAY, "^[A-Z0-9]{6,12}$"),
    "phrases": lambda text: find_phrase(text, ["does not work", "refund*", "*kaputt"]),
    "anger": lambda text: anger_score(text, ["does not work", "refund*"]),
    "anonymity": Anonymizer(OWN, ["Ann Lee", "Bo"]),
    "placeholders": mask_for_a_model,
    "a page's links": lambda text: read_instructions(f"<a href={text}>{text}", URL("https://shop.example/")),
    "quotes": lambda text: select_quotes(text, [PASSAGE]),
    "quotes of a passage": lambda text: select_quotes(
        "How much is a heat pack?", [Passage("shop", "a", 1, "T", "", "", text, 1.0)]
    ),
    "the gate": lambda text: Gate([PASSAGE]).admit(f"{text[:500]} [1]"),
    "a correction": lambda text: apply_corrections(
        [f"Do you ship to {text}?", "no wait, to Norway", "Norway, not Austria"]
    ),
    "several questions": lambda text: split_questions([text, text]),
    "a line of captions": lambda text: sentences_of([make_cue(0, 1, [text])]),
    "lines of captions": lambda text: sentences_of([make_cue(0, 1, text.split())] * 3),
    "captions": lambda text: sentences_of(
        make_cue(at, at + 1, text[at : at + 40].split()) for at in range(0, len(text), 20)
    ),
    "a caption file": lambda text: WebVtt().read("a.vtt", f"WEBVTT\n\n00:00.000 --> 00:09.000\n{text}".encode()),
    "a head of a caption file": lambda text: WebVtt().read("a.vtt", f"WEBVTT {text}\n\n{text}".encode()),
    "an older caption file": lambda text: SubRip().read(
        "a.srt", f"1\n00:00:00,000 --> 00:00:09,000\n{text}\n\n{text}".encode()
    ),
    "a follow-up": lambda text: read_follow_up(text[:500], [_contact_line(text)]).query,
}


# ── patterns ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_pattern_takes_long_for_any_text() -> None:
    loaded = worst_case_texts.modules()
    patterns, uses = worst_case_texts.patterns_of(loaded), worst_case_texts.uses_of(loaded)
    assert len(patterns) > 200
    slow = {
        name: worst_case_texts.slowness_of(each, uses.get(id(each), {"match", "finditer"}))
        for name, each in patterns.items()
    }
    assert {name: why for name, why in slow.items() if why} == {}


def test_a_pattern_is_made_where_it_can_be_found() -> None:
    """In a function it would be missed above, so only what is known no sooner is made there."""
    made = {name for module in worst_case_texts.modules() for name in _patterns_in_functions(module)}
    assert made == set(MADE_LATER)
    assert {by for by in MADE_LATER.values() if by} <= set(MORE)


def _patterns_in_functions(module: ModuleType) -> Iterator[str]:
    def within(node: ast.AST, name: str, inside: bool) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from within(child, f"{name}.{child.name}", inside or not isinstance(child, ast.ClassDef))
                continue
            if inside and _uses_re(child):
                yield name
            yield from within(child, name, inside)

    if isinstance(vars(module).get("re"), ModuleType):
        yield from within(ast.parse(inspect.getsource(module)), module.__name__, False)


def _uses_re(node: ast.AST) -> bool:
    called = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re"
    return called and node.attr not in ("Match", "Pattern", "escape")  # type: ignore[attr-defined]


# ── functions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_function_that_reads_a_text_takes_long() -> None:
    found = worst_case_texts.text_functions(worst_case_texts.modules(), FILLS)
    functions = {name: work for name, work in found.items() if not name.startswith(NOT_A_STRANGERS)} | MORE
    assert len(functions) > 150
    slow = {name: worst_case_texts.toil_of(work) for name, work in functions.items()}
    assert {name: why for name, why in slow.items() if why} == {}


# ── the test of the test ─────────────────────────────────────────────────────────────────────────────────────────────

SLOW = (
    (r"\s+$", "search"),
    (r"(?:a+)+b", "search"),
    (r"(?:a|a)*b", "match"),
    (r"\s*[,;]?\s*x", "match"),
    (r"<[a-z][^>]*>", "finditer"),
    (r"[\w.]+@[\w.]+", "finditer"),
    (r"\d{1,3}(?:[.,]\d{3})+€", "finditer"),
    (r"card \d+\s*\d+\s*\d+x", "search"),
    (r"(?i)(?:order|bestellung)\W*(?:no|nr)*\W*#", "match"),
    (r"\?.*\bif\b", "search"),
)
QUICK = (
    (r"\s{1,8}$", "search"),
    (r"a++b", "match"),
    (r"<[a-z][^<>]*>", "finditer"),
    (r"(?<![\w.])[\w.]++@[\w.]++", "finditer"),
    (r"\w+", "finditer"),
    (r"\b(?:yes|no|maybe)\b", "search"),
)


@pytest.mark.parametrize(("pattern", "use"), SLOW)
def test_a_pattern_that_takes_long_is_told(pattern: str, use: str) -> None:
    assert worst_case_texts.slowness_of(re.compile(pattern), [use]) != ""


@pytest.mark.parametrize(("pattern", "use"), QUICK)
def test_one_that_does_not_is_none(pattern: str, use: str) -> None:
    assert worst_case_texts.slowness_of(re.compile(pattern), [use]) == ""


@dataclass
class TextFunction:
    pattern: re.Pattern[str]


def test_a_pattern_is_found_wherever_a_module_holds_it() -> None:
    def default(text: str, of: re.Pattern[str] = re.compile("default")) -> bool:
        return of.match(text) is not None

    def enclosing() -> Callable[[str], bool]:
        inner = re.compile("enclosed")
        return lambda text: inner.match(text) is not None

    class Owner:
        own = re.compile("class")

        @staticmethod
        def method(text: str, of: re.Pattern[str] = re.compile("method")) -> bool:
            return of.match(text) is not None

    module = ModuleType("tests.planted")
    Owner.__module__ = module.__name__
    planted: dict[str, Any] = {
        "PLAIN": re.compile("plain"),
        "MANY": (re.compile("tuple"), [re.compile("list")], {"key": re.compile("dict")}),
        "HELD": TextFunction(re.compile("dataclass")),
        "default": default,
        "enclosed": enclosing(),
        "Owner": Owner,
        "PARTLY": partial(default, of=re.compile("partial")),
    }
    vars(module).update(planted)
    found = {pattern.pattern for pattern in worst_case_texts.patterns_of([module]).values()}
    expected = "plain tuple list dict dataclass default enclosed class method partial"
    assert found == set(expected.split())


def test_a_function_that_takes_long_is_told() -> None:
    def halves(text: str) -> int:
        return sum(letter == "\x01" for _ in range(4) for at in range(len(text)) for letter in text[:at])

    def words(text: str) -> list[str]:
        return list(dict.fromkeys(text.split()))

    assert worst_case_texts.toil_of(halves) != ""
    assert worst_case_texts.toil_of(words) == ""


def test_functions_of_texts_are_found_by_what_they_take() -> None:
    module = ModuleType("tests.planted")
    source = "def one(text: str): ...\ndef two(text: str, count: int): ...\ndef _no(text: str): ...\n"
    exec(source + "def other(path: Path): ...\n", vars(module))
    assert set(worst_case_texts.text_functions([module], {"int": 1})) == {"tests.planted.one", "tests.planted.two"}
