"""Splitting of a sentence that asks several things: "how wide are the paths, can we get lunch and is there parking".

A part begins where a question begins: after a comma, an "and" or the like, with a question word or a verb before its
subject. "Do you ship to France and Spain?" stays whole, and so does "how do I remove and store it?".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MAX_LENGTH = 2_000
"""Characters of a sentence that is split."""
# After a comma or a dash, further conjunctions belong to the separator.
_JOIN = r"(?:(?:and|but|plus|also|then|und|et|y|e|en)\s{1,3}){0,3}"
_SEPARATOR = re.compile(
    rf"[,;:]\s{{1,3}}{_JOIN}|\s[–—-]{{1,2}}\s{_JOIN}|\s(?:and|also|plus|but|&|und|et|y|e|en)\s{{1,3}}{_JOIN}|"
    rf"\)\s{{0,3}}{_JOIN}|\s\(",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"\w|&")
_DETERMINERS = (
    r"the|a|an|my|our|your|ur|his|her|their|its|this|that|these|those|any|some|all|both|each|every|one|two|three|four"
)
_PRONOUNS = r"i|you|u|we|they|he|she|it|there|anyone|anybody|someone|somebody|everyone|people|kids|children"
_SUBJECT = rf"(?:{_PRONOUNS}|{_DETERMINERS})\b"
_AUXILIARY = (
    r"(?:is|are|am|was|were|do|does|did|can|could|will|would|should|shall|may|might|must|isn['’]?t|aren['’]?t|"
    r"don['’]?t|doesn['’]?t|can['’]?t|won['’]?t)"
)
_INVERTED = rf"(?:{_AUXILIARY}\s{{1,3}}{_SUBJECT}|(?:have|had)\s(?:i|you|we|they)\b|has\s(?:he|she|it|my|the|your)\b)"
_STATE = (
    r"(?:is|are)\s[\w'-]{1,20}\s(?:allowed|included|free|possible|available|open|closed|covered|safe|ok|okay|needed|"
    r"required|necessary|accepted|welcome)\b"
)
_WH = r"(?:how|what|which|who|whom|whose|when|where|why)"
# "which door should we": a question word, its noun, and the verb before its subject.
_WH_INVERTED = rf"{_WH}(?:\s[\w'’-]{{1,20}}){{0,4}}?\s{_INVERTED}"
_DIRECT = re.compile(
    rf"(?=[^\W_])(?:(?:so|then|and|but|also|plus|ok|hi|hello|hey)\s){{0,3}}(?:{_INVERTED}|{_STATE}|how\b|why\b|whether\b|"
    rf"what(?:['’]?s|\s{_AUXILIARY}|\s(?:about|if|else|happens|kind|sort|type|time|size|day|hours))\b|"
    rf"which\s(?:of|ones?)\b|(?:who|where|when|how)['’]s\b|wheres\b|whens\b|{_WH_INVERTED}|(?:where|when)\s{_AUXILIARY}\b|"
    rf"(?:where|how|what|when)\sto\b|(?:from|for|in|on|at|by|until|till|to|with|of|about|after)\s(?:how|what|which|whom)\b)",
    re.IGNORECASE,
)
_AFTER_CONJUNCTION = re.compile(r"(?:who|which|does|do)\s(?!not\b|n['’]t\b|so\b)\w", re.IGNORECASE)
"""After a comma alone these may begin a relative clause, unless another question follows it."""
_INSIDE = re.compile(
    rf"\b{_WH}(?:\s[\w'’-]{{1,20}}){{0,3}}?\s(?:do|does|did|can|could|will|would|should|must|may)\s{_SUBJECT}",
    re.IGNORECASE,
)
_INDIRECT = re.compile(
    r"\b(?:(?:need|want|like|love|have)\sto\s(?:know|ask|find\sout)|wonder(?:ing|ed)?|tell\sme|let\sme\sknow|any\sidea|"
    r"curious|no\sidea|(?:do\syou|don['’]?t)\sknow)\b",
    re.IGNORECASE,
)
_INDIRECT_PART = re.compile(
    rf"(?:{_WH}|whats|if|whether|(?:for|from|until|by|in)\s(?:how|what|which))\b", re.IGNORECASE
)
_OTHER_LANGUAGES = re.compile(
    r"(?:¿|wie\b|was\s(?:ist|sind|kostet|kosten|passiert|muss|kann|mache|macht|soll)\b|wann\b|wo\b|warum\b|welche\w?\b|wer\b|wieviel\b|(?:kann|können|könnt|gibt|haben|habt|ist|sind|"
    r"muss|darf|kostet|kosten|gilt|geht|dauert|braucht)\s(?:ich|sie|es|man|wir|die|der|das|mein\w*)\b|"
    r"[^\W\d_]{3,15}\s(?:ihr|sie)\b|[^\W\d_]{2,14}e\sich\b|"
    r"[^\W\d_]{2,15}-(?:vous|tu|je|on|ils?|elles?)\b|"
    r"combien\b|comment\b|où\b|quand\b|pourquoi\b|quel(?:le)?s?\b|est-ce\b|puis-je\b|"
    r"cuánt\w{1,2}\b|cuant\w{1,2}\b|cómo\b|dónde\b|cuándo\b|qué\b|cuál\w{0,3}\b|puedo\b|"
    r"quant[oiae]\b|come\s(?:si|posso|faccio|funziona|devo)\b|dove\b|quando\b|perché\b|qual[ei]?\b|posso\b|como\s|onde\b|"
    r"hoe\b|wat\s|wanneer\b|waar\b|waarom\b|welke?\b|kan\s(?:ik|je|u|men)\b)",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"(?:if|when|once|as|since|while|because|after|before|in\scase|given|with|for|at|on|in|then|also|and\slast)\b",
    re.IGNORECASE,
)
"""Begins what is said before a question: ", if it rains, can I …"."""
_CONDITION = re.compile(r"if\s(?:so|not|yes|no|it\sis|it\sdoes|you\sdo)$", re.IGNORECASE)
"""", and if so, how": the question before it has to be answered first."""
_ELLIPSIS = re.compile(
    r"\W{0,3}(?:(?:by\s)?how(?:\s\w{1,20})?|why|what|when|where|who|which|(?:until|since|from)\swhen)\W{0,3}$",
    re.IGNORECASE,
)
"""A question word alone asks nothing that can be answered by itself."""

_ARTICLE = r"(?:an?|any|some|eine?n?|keine?n?|une?|des|una?s?|unos|um|uma)"
_EXISTENCE = re.compile(
    r"(?P<verb>\W{0,3}(?:(?:and|und|also|hi|hello|hey)\W{1,3})?(?:(?:is|are)\sthere|do\s(?:you|u|they|we)\s(?:have|offer|sell|"
    r"rent|serve|stock|provide)|have\syou(?:\sgot)?|gibt\ses|(?:haben|verkaufen|vermieten)\ssie|habt\sihr|avez-vous|"
    r"y\sa-t-il|hay|tienen|tienes|tenéis|avete|c['’]è)\s)(?P<things>\S.{0,200})$",
    re.IGNORECASE,
)
"""Asks whether there are one or more things."""
_NEXT_THING = re.compile(
    rf"(?:,\s{{0,3}}(?:(?:and|or|und|oder)\s{{1,3}})?|\s(?:and|or|&|und|oder|et|ou|y|o|e)\s{{1,3}})(?={_ARTICLE}\s)",
    re.IGNORECASE,
)
_OF_ALL_THINGS = re.compile(
    r"\b(?:for|in|on|at|to|of|as|than|with|near|from|between|during|when|while|if|who|which|für|im|am|zu[mr]?|mit|bei|von|"
    r"zwischen|wenn|pour|dans|à|avec|entre|para|en|con|per|nel\w*|tra)\s",
    re.IGNORECASE,
)
"""May concern every thing named before it: "a pot and a saucer for orchids"."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """The text between two separators. ``joined``: a conjunction stands before it."""

    text: str
    start: int
    end: int
    joined: bool


def split_clauses(sentence: str) -> list[str]:
    """The parts of a sentence that ask one thing each, in order; the sentence itself when it asks at most one."""
    if len(sentence) > _MAX_LENGTH:
        return [sentence]
    pieces = _pieces(sentence)
    starts = list(_part_starts(pieces))
    cuts = [0, *(pieces[n].start for n in starts), len(sentence)]
    parts = [part for start, end in pairwise(cuts) if (part := _trim(sentence[start:end]))] if starts else [sentence]
    return [question for part in parts for question in _split_things(part)]


def _split_things(part: str) -> list[str]:
    """A question for each thing of "is there a kitchen and a washing machine?"."""
    match = _EXISTENCE.match(part)
    if not match or _OF_ALL_THINGS.search(match["things"]):
        return [part]
    return [
        f"{match['verb'] if n else match['verb'].lstrip()}{thing}"
        for n, thing in enumerate(_NEXT_THING.split(match["things"]))
    ]


def asks_something(clause: str) -> bool:
    """True if some part of the clause reads as a question, also an indirect one: "I need to know how …"."""
    clause = clause[:_MAX_LENGTH]
    return bool(_INDIRECT.search(clause)) or any(_asks(piece, is_indirect=False) for piece in _pieces(clause))


def _pieces(sentence: str) -> list[_Clause]:
    pieces: list[_Clause] = []
    start, joined = 0, False
    for match in _SEPARATOR.finditer(sentence):
        pieces.append(_Clause(sentence[start : match.start()], start, match.start(), joined))
        start, joined = match.end(), bool(_CONJUNCTION.search(match[0]))
    return [*pieces, _Clause(sentence[start:], start, len(sentence), joined)]


def _part_starts(pieces: Sequence[_Clause]) -> Iterator[int]:
    """Numbers of the pieces at which a further question begins."""
    has_asked = is_indirect = False
    for n, piece in enumerate(pieces):
        asks = _asks(piece, is_indirect=is_indirect) or (has_asked and _is_listed(pieces, n))
        if asks and has_asked and not _CONDITION.match(pieces[n - 1].text):
            yield n - _count_leading(pieces, n)
        has_asked = has_asked or asks or bool(_INDIRECT.search(piece.text))
        is_indirect = is_indirect or bool(_INDIRECT.search(piece.text))


def _is_listed(pieces: Sequence[_Clause], n: int) -> bool:
    """True for "can I return it, who pays for that, how long do I have?": it stands between two questions."""
    return bool(
        _AFTER_CONJUNCTION.match(pieces[n].text) and n + 1 < len(pieces) and _asks(pieces[n + 1], is_indirect=False)
    )


def _asks(piece: _Clause, *, is_indirect: bool) -> bool:
    """``is_indirect``: an earlier piece said "I need to know", so that "how it works" asks too."""
    text = piece.text
    if _ELLIPSIS.match(text):
        return False
    if _DIRECT.match(text) or _INSIDE.search(text) or _OTHER_LANGUAGES.match(text):
        return True
    if piece.joined and _AFTER_CONJUNCTION.match(text):
        return True
    return is_indirect and bool(_INDIRECT_PART.match(text))


def _count_leading(pieces: Sequence[_Clause], n: int) -> int:
    """1 if the piece before belongs to the question that begins at ``n``, else 0."""
    before = pieces[n - 1]
    leads = n > 1 and not pieces[n].joined and _LEADING.match(before.text) and not _asks(before, is_indirect=False)
    return 1 if leads else 0


def _trim(part: str) -> str:
    """The part without the separator after it."""
    last = None
    for match in _SEPARATOR.finditer(f"{part} "):
        last = match
    if last is not None and last.end() >= len(part):
        part = part[: last.start()]
    return part.strip(" ,;:–—-(\t\n")
