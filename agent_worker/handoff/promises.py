"""Promises that people made to a contact, recognized by their words. The agent must neither contradict nor repeat them;
where the contact asks about one, it goes before what the documents say in general.

When in doubt, a sentence counts as a promise: all of them were sent to the contact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent_worker.knowledge.text.analysis import terms
from agent_worker.phrases import Voice
from schemas.desk import Handoff
from schemas.messages import Citation
from schemas.ports import AnswerDraft, Passage, SearchResult

DOCUMENT = "handoff:"
"""Prefix of the document id under which a promise is cited."""
MOST = 8
LONGEST = 300
"""Characters kept of a promise."""
_ALIKE = 0.5
"""Share of a question's words that a promise about it holds."""
_SENTENCE = re.compile(r"(?<=[.!?…])(?<!\d\.)\s+|\n+")
_WILL = re.compile(
    r"\b(?=[^\W\d_])(?:will|shall|going to|i promise|we promise|guarantee|make sure|get back to you|let you know|"
    r"look into|on its way|"
    r"werden?|wirst|wird|versprechen|verspreche|zusagen|sage zu|garantieren?|kümmer(?:e|n|t)|melden? (?:mich|uns)|"
    r"sorgen? dafür|prüfen? (?:das|es)|"
    r"allons|vais|va|promets|promettons|garantissons|recontact\w+|"
    r"vamos a|voy a|prometo|prometemos|garantizamos|"
    r"faremo|farò|prometto|garantiamo|vou|iremos|zullen|zal|beloven?)\b|['’]ll\b",
    re.IGNORECASE,
)
_UNIT = (
    r"(?=[€$£¥%a-z])(?:[€$£¥%]|(?:eur|euros?|usd|dollars?|gbp|pounds?|chf|franken|prozent|percent|minutes?|hours?|"
    r"(?:working |business )?days?|weeks?|minuten?|stunden?|(?:werk|arbeits)?tagen?|"
    r"wochen?|jours?|heures?|días?|horas?|giorni|dagen)\b)"
)
_DATE = (
    r"\d{4}-\d{2}-\d{2}|\b\d{1,2}(?:\.?\s(?:jan|feb|mär|mar|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec)|"
    r"\.\s?\d{1,2}\.|/\d{1,2}\b)"
)
_DAY = (
    r"\b(?=[^\W\d_])(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|tomorrow|"
    r"(?:mon|diens|donners|frei|sams|sonn)tags?|(?:mittwoch|sonnabend)s?|heute|übermorgen|"
    r"(?<!guten )morgen|"
    r"lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|demain|lunes|martes|miércoles|jueves|viernes|mañana)\b"
)
_FIGURES = re.compile(rf"(?=\d)(?:\d\s{{0,4}}{_UNIT}|{_DATE})|[€$£¥]\s?\d|{_DAY}", re.IGNORECASE)
_PAST = re.compile(r"\b(?:was|were|had|has been|have been|did|wurden?|war|waren|hatten?|été|fue|ieri)\b", re.IGNORECASE)


def find_promises(text: str) -> list[str]:
    """The sentences that say what will happen, or name an amount or a time."""
    said = (" ".join(sentence.split()) for sentence in _SENTENCE.split(text))
    return [sentence[:LONGEST] for sentence in said if sentence and _is_promise(sentence)]


def _is_promise(sentence: str) -> bool:
    if sentence.endswith("?"):
        return False
    return bool(_WILL.search(sentence)) or bool(_FIGURES.search(sentence) and not _PAST.search(sentence))


def merge_promises(before: Sequence[str], more: Iterable[str]) -> list[str]:
    """The newest of all, without repeats."""
    return list(dict.fromkeys([*before, *more]))[-MOST:]


def select_promises(question: str, promised: Sequence[str]) -> list[str]:
    """The promises that a question is about: they hold half of its words, and at least two unless it has one."""
    asked = set(terms(question))
    if not asked:
        return []
    shared = {promise: len(asked & set(terms(promise))) for promise in promised}
    return [each for each in promised if shared[each] >= max(min(2, len(asked)), _ALIKE * len(asked))]


def add_promises(found: SearchResult, tenant: str, handoff: Handoff, text: str) -> SearchResult:
    """Add the promises that ``text`` is about to what was found, as the surest passage."""
    promised = select_promises(text, handoff.promised)
    if not promised:
        return found
    passage = Passage(
        tenant=tenant,
        document=f"{DOCUMENT}{handoff.number}",
        version=0,
        title=handoff.name or "A colleague",
        heading="",
        url="",
        text="\n".join(promised),
        score=1.0,
    )
    return SearchResult([passage, *found.passages], True, 1.0, found.encoder, found.vector)


def quote_promise(found: SearchResult, voice: Voice) -> AnswerDraft | None:
    """The promise in people's own words, from a model that can only quote: next to what the documents say, it might
    read as if it were another one. None when people promised nothing about it."""
    passage = next((one for one in found.passages if one.document.startswith(DOCUMENT)), None)
    if passage is None:
        return None
    said = voice.colleague_wrote.replace("{said}", passage.text.replace("\n", " "))
    cited = Citation(n=1, document=passage.document, title=passage.title, quote=passage.text)
    return AnswerDraft(text=f"{said} [1]", answered=True, citations=[cited], model="local")
