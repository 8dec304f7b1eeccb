"""Grading of replies by a suite's rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from agent_worker.knowledge.quality.suite import Message, Part, Piece, Rules
from agent_worker.knowledge.text.analysis import terms
from schemas.messages import Citation

Grade = Literal[
    "right",
    "incomplete",
    "misleading",
    "irrelevant",
    "offered",
    "offered_wrongly",
    "wrongly_declined",
    "rightly_declined",
]
"""``misleading``: says something that is false, or answers what no document answers; ``irrelevant``: answers something
else. ``offered``: asserts nothing, but offers the question that the documents answer; ``offered_wrongly``: offers only
other ones, or quotes one as the closest. ``rightly_declined`` includes asking back."""
GRADES: tuple[Grade, ...] = get_args(Grade)
WRONG: frozenset[Grade] = frozenset({"misleading", "irrelevant"})
HELPFUL: frozenset[Grade] = frozenset({"right", "offered"})

ReplyKind = Literal["answer", "closest", "suggestion", "question", "decline", "handoff"]
"""``closest``: says that it is not sure, and quotes the closest section."""
_OPENING = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_QUOTED = re.compile("“([^“”]*)”")
_HEADING_NUMBER = re.compile(r"^\d{1,3}(?:\.\d{1,3}){0,3}[.)]? ")
_SPACE = re.compile(r"\s+")
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "‑": "-", "\u00ad": ""})
_MARKUP = re.compile(r"\*\*|__|`|\[\d+\]")


@dataclass(frozen=True, slots=True)
class ObservedReply:
    """A reply as the customer sees it. ``offers``: the places of the questions that it offers, and of the section that
    it quotes as the closest, as ``document#heading``; ``unanswered``: the part of the text that names unanswered
    questions. ``confidence``: of the answer, 0–1. ``choices``: the labels of the choices that it offers."""

    kind: ReplyKind
    text: str
    citations: Sequence[Citation] = ()
    offers: Sequence[str] = ()
    unanswered: str = ""
    confidence: float = 0.0
    choices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PartGrade:
    """``is_named``: the reply answers the part, or says that it does not."""

    part: Part
    grade: Grade
    is_named: bool


def normalize(text: str) -> str:
    """Fold what does not change the meaning: case, spaces, kinds of dashes and quotation marks, marks of emphasis."""
    return _SPACE.sub(" ", _MARKUP.sub("", text.translate(_PLAIN))).casefold().strip()


def strip_number(heading: str) -> str:
    """The heading without its number: "2. Prices"."""
    return _HEADING_NUMBER.sub("", heading)


def normalize_source(source: str) -> str:
    """Fold a ``document#heading``."""
    document, mark, heading = source.partition("#")
    return normalize(f"{document}{mark}{strip_number(heading)}")


def find_opening(text: str) -> str:
    """``yes`` or ``no`` where a reply opens with it, else empty."""
    match = _OPENING.match(text)
    return match[1].casefold() if match else ""


def grade_reply(message: Message, reply: ObservedReply) -> Grade:
    """Grade the reply to one message. Several questions get the worst grade among their answers, and are incomplete
    where only some are answered."""
    if message.parts:
        return _join([each.grade for each in grade_parts(message, reply)])
    return _grade(message, reply)


def grade_parts(message: Message, reply: ObservedReply) -> list[PartGrade]:
    """Grade each of a message's questions."""
    return [_grade_part(part, reply) for part in message.parts]


def _grade_part(part: Part, reply: ObservedReply) -> PartGrade:
    is_answered = part.is_answerable and _grade(part, reply) == "right"
    if normalize(part.about) in normalize(reply.unanswered) or (
        not is_answered and _names(reply.unanswered, part.about)
    ):
        return PartGrade(part, "rightly_declined" if not part.is_answerable else "wrongly_declined", True)
    if not part.is_answerable and reply.kind == "answer":
        # The other questions were answered; nothing was said about this one, neither true nor false.
        is_misled = _contains_any(reply.text, part.must_not_contain)
        return PartGrade(part, "misleading" if is_misled else "incomplete", False)
    grade = _grade(part, reply)
    return PartGrade(part, grade, grade in ("right", "offered", "rightly_declined"))


def _names(unanswered: str, about: str) -> bool:
    """True if one of the quoted questions has half of the words, in any form: "eating afterwards" for “can she eat
    after it”."""
    wanted = set(terms(about))
    return any(2 * len(wanted & set(terms(one))) >= len(wanted) > 0 for one in _QUOTED.findall(unanswered))


def _grade(rules: Rules, reply: ObservedReply) -> Grade:
    if reply.kind == "suggestion" or (reply.kind == "closest" and not rules.is_answerable):
        return _grade_offer(rules, reply)
    if reply.kind == "question" and rules.must_ask_back:
        return "rightly_declined"
    if reply.kind not in ("answer", "closest"):
        return "wrongly_declined" if rules.is_answerable else "rightly_declined"
    grade = _grade_answer(rules, reply)
    # What is quoted as the closest asserts nothing, so it may be beside the question, but not false.
    is_beside = reply.kind == "closest" and grade in ("incomplete", "irrelevant")
    return _grade_offer(rules, reply) if is_beside else grade


def _grade_answer(rules: Rules, reply: ObservedReply) -> Grade:
    if not rules.is_answerable or _contains_any(reply.text, rules.must_not_contain):
        return "misleading"
    if rules.polarity is not None and find_opening(reply.text) not in ("", rules.polarity):
        return "misleading"
    if rules.must_cite and (not reply.citations or reply.citations[0].document not in rules.must_cite):
        return "irrelevant"
    found = [any(normalize(each) in normalize(reply.text) for each in piece) for piece in rules.must_contain]
    if all(found):
        return "right"
    return "incomplete" if any(found) else "irrelevant"


def _grade_offer(rules: Rules, reply: ObservedReply) -> Grade:
    if not rules.is_answerable:
        return "rightly_declined"
    return "offered" if _offers_source(rules, reply) else "offered_wrongly"


def _contains_any(text: str, pieces: Sequence[Piece]) -> bool:
    return any(normalize(each) in normalize(text) for piece in pieces for each in piece)


def _offers_source(rules: Rules, reply: ObservedReply) -> bool:
    wanted = {normalize_source(source) for source in rules.sources}
    documents = {offer.partition("#")[0] for offer in reply.offers}
    return any(normalize_source(offer) in wanted for offer in reply.offers) or bool(
        documents.intersection(rules.must_cite)
    )


def _join(grades: Sequence[Grade]) -> Grade:
    for wrong in ("misleading", "irrelevant"):
        if wrong in grades:
            return wrong
    good = [each for each in grades if each in ("right", "rightly_declined")]
    if len(good) == len(grades):
        return "right" if "right" in grades else "rightly_declined"
    if "right" in grades or "incomplete" in grades or good:
        return "incomplete"
    return "offered" if "offered" in grades else grades[0]
