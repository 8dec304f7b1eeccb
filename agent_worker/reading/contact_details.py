"""Questions for the tenant's phone number or e-mail address, which searches hardly find: a section that gives one
speaks of opening hours or appointments, and seldom says "phone number"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from agent_worker.knowledge.text.analysis import term, terms
from schemas.ports import Passage, SearchResult

Detail = Literal["phone", "email"]
_MAX_LENGTH = 120
"""Characters of a question that asks for nothing else."""
_YOURS = r"(?:your|ur|the|a|any|you|ya|u|eure?|ihre?|deine?|die|eine|votre|vos|le|un|tu|su|el|il|vostro|een|jullie|uw)"
_WANTED: dict[Detail, re.Pattern[str]] = {
    "phone": re.compile(
        # Before each group its first letters, because most words begin with none of them.
        r"\b(?:(?=[ptcmsh])(?:phone|telephone|tel|contact|mobile|support|hotline)\s(?:number|num|no|nr)|"
        rf"(?=[adeijlstuvy]){_YOURS}\s(?:phone|number|tel)|"
        r"(?=[cprt])(?:call|phone|ring|telephone)\s(?:you|u|ya|someone|somebody)|"
        r"(?=[rc])(?:reach|contact)\s(?:you|u|ya)\sby\sphone|"
        r"(?=[tn])(?:telefon(?:nummer|isch|o\sde)?|telefoonnummer|num[eé]ro\sde\st[eé]l[eé](?:phone|fono)|"
        r"número\sde\stel[eé]fono|numero\sdi\stelefono|numer\stelefonu|telefon\snumara\w{0,6}))\b",
        re.IGNORECASE,
    ),
    "email": re.compile(
        rf"\b{_YOURS}\s(?:e-?mail|mail)(?:\s(?:address|adresse))?\b|\be-?mail\s?-?(?:address|adresse?)\b|"
        r"\b(?:email|e-mail|mail)\s(?:you|u|ya)\b|\bcorreo\selectr[oó]nico\b|\badresse\se-?mail\b|\bindirizzo\se-?mail\b",
        re.IGNORECASE,
    ),
}
_GIVEN: dict[Detail, re.Pattern[str]] = {
    "phone": re.compile(r"(?<![\w.-])(?:\+\d|\(?0)\d[\d ()/.-]{5,16}\d(?![\w-])"),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.\w"),
}
_SEPARATOR = re.compile(r"\W")
_HEADING = re.compile(
    r"\b(?:contact|reach|call|phone|kontakt|erreich\w*|joindre|contacter|contacto|contatt\w*)\b", re.IGNORECASE
)
"""Found in the heading of the section that is meant among several that give one."""
_OF_OTHERS = re.compile(r"\b(?:my|mine|our|his|her|their|mein\w*|unser\w*|mon|mi|mio)\b", re.IGNORECASE)
_GENERIC = frozenset(
    term(word)
    for line in (
        "phone telephone tel number num no nr mobile contact hotline support call ring reach email mail address",
        "speak talk office shop team company please urgent ur",
        "wie ist lautet eure euer ihre deine die nummer telefon telefonnummer telefonisch adresse mailadresse",
        "quel quelle est de votre vos numéro téléphone joindre comment",
        "cuál es su tu vuestro el número teléfono correo electrónico",
        "qual è il vostro numero di telefono indirizzo",
        "wat jullie uw telefoonnummer jaki jest wasz numer telefonu numarası numaranız nedir",
    )
    for word in line.split()
)
"""Terms of a question that wants nothing else."""


def find_contact_details(question: str, result: SearchResult) -> SearchResult:
    """The only section found with the phone number or e-mail address that the question wants, as its answer; several
    are offered. Any other result stays as it is."""
    wanted = _wanted_detail(question)
    if wanted is None or result.answerable:
        return result
    giving = [passage for passage in result.passages if _GIVEN[wanted].search(passage.text)]
    if not giving:
        return result
    if not _is_one(giving, wanted) and len(headed := [one for one in giving if _HEADING.search(one.heading)]) == 1:
        giving = headed
    passages = [*(replace(one, related=True) for one in giving), *(one for one in result.passages if one not in giving)]
    return replace(result, passages=passages, suggestable=True, answerable=_is_one(giving, wanted))


def _wanted_detail(question: str) -> Detail | None:
    if len(question) > _MAX_LENGTH or _OF_OTHERS.search(question) or not set(terms(question)) <= _GENERIC:
        return None
    return next((detail for detail, pattern in _WANTED.items() if pattern.search(question)), None)


def _is_one(passages: Sequence[Passage], detail: Detail) -> bool:
    """True if the passages give one and the same number or address."""
    given = {_SEPARATOR.sub("", match[0]) for one in passages for match in _GIVEN[detail].finditer(one.text)}
    return len(given) == 1
