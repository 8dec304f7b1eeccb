"""Promises that people made to a contact, recognized by their words. The agent must neither contradict nor repeat them;
if the contact asks about one, it takes precedence over the documents.

When in doubt, a sentence counts as a promise: all of them were sent to the contact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent_worker.knowledge.text.analysis import terms
from agent_worker.voice import Voice
from schemas.desk import Handoff
from schemas.messages import Citation
from schemas.ports import AnswerDraft, Passage, SearchResult

DOCUMENT = "handoff:"
"""Prefix of the document id under which a promise is cited."""
MAX_PROMISES = 8
MAX_LENGTH = 300
"""Characters kept of a promise."""
_ALIKE = 0.5
"""Share of a question's words that a promise about it contains."""
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
    """Return the sentences that announce something, or name an amount or a time."""
    sentences = (" ".join(sentence.split()) for sentence in _SENTENCE.split(text))
    return [sentence[:MAX_LENGTH] for sentence in sentences if sentence and _is_promise(sentence)]


def _is_promise(sentence: str) -> bool:
    if sentence.endswith("?"):
        return False
    return bool(_WILL.search(sentence)) or bool(_FIGURES.search(sentence) and not _PAST.search(sentence))


def merge_promises(before: Sequence[str], more: Iterable[str]) -> list[str]:
    """Merge promises without repeats; the newest are kept."""
    return list(dict.fromkeys([*before, *more]))[-MAX_PROMISES:]


def select_promises(question: str, promised: Sequence[str]) -> list[str]:
    """Select the promises that a question is about: they contain half of its words, and at least two unless it has only
    one."""
    question_words = set(terms(question))
    if not question_words:
        return []
    shared_counts = {promise: len(question_words & set(terms(promise))) for promise in promised}
    return [
        each
        for each in promised
        if shared_counts[each] >= max(min(2, len(question_words)), _ALIKE * len(question_words))
    ]


def add_promises(search_result: SearchResult, tenant: str, handoff: Handoff, text: str) -> SearchResult:
    """Add the promises that ``text`` is about to the search result, as its best passage."""
    promised = select_promises(text, handoff.promised)
    if not promised:
        return search_result
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
    return SearchResult([passage, *search_result.passages], True, 1.0, search_result.encoder, search_result.vector)


def quote_promise(search_result: SearchResult, voice: Voice) -> AnswerDraft | None:
    """Quote the promise alone, for a model that can only quote: beside the documents' general words it might be
    misread. None if there is no promise about it."""
    passage = next((one for one in search_result.passages if one.document.startswith(DOCUMENT)), None)
    if passage is None:
        return None
    text = voice.colleague_wrote.replace("{said}", passage.text.replace("\n", " "))
    citation = Citation(n=1, document=passage.document, title=passage.title, quote=passage.text)
    return AnswerDraft(text=f"{text} [1]", answered=True, citations=[citation], model="local")
