"""Order numbers and other names of a fixed shape, and e-mail addresses."""

from __future__ import annotations

import re
from functools import lru_cache

from agent_worker.actions.parsing.readings import Context, Reading, apart, distinct

_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?![\w@-])",
    re.IGNORECASE,
)
_COURTESIES = frozenset(
    {"bitte", "code", "danke", "lautet", "please", "thank", "thanks", "this", "voucher", "gutschein"}
)
_GAP = r"[\s_./–#-]{0,4}"
_GAPS = re.compile(r"[\s_./–#-]")
_WORD = re.compile(r"[\w-]+")
_PIECE = re.compile(r"[A-Za-z]+|\d+")
_ESCAPE = re.compile(r"\\(.)")
_LITERAL = re.compile(r"(?:[A-Za-z0-9 _#/-]|\\[-#/.])*(?![?*+{])")


def emails(text: str, context: Context) -> list[Reading]:
    """Lower case throughout: no shop tells two customers apart by capitals."""
    found = (match for match in _EMAIL.finditer(text) if ".." not in match[0])
    return distinct(Reading(match[0].lower(), match[0].lower(), *match.span()) for match in found)


def identifiers(text: str, context: Context, pattern: str) -> list[Reading]:
    """What fits ``pattern`` (a regular expression, as in JSON schema), however the customer set capitals, blanks and
    hyphens: ``np 10234`` is ``NP-10234``. Where it was asked for, its fixed beginning may be left out."""
    exact, loose, bare = _shapes(pattern)
    found = [Reading(match[0], match[0], *match.span()) for match in exact.finditer(text)]
    if not found and loose is None and context.asked:
        found = _alone(text, pattern)
    for shape in (loose, bare if context.asked else None):
        found += [
            Reading(value, value, *match.span())
            for match in (shape.finditer(text) if shape is not None else ())
            if (value := _restored(match[0], pattern)) is not None
        ]
    return distinct(apart(found))


def _alone(text: str, pattern: str) -> list[Reading]:
    """Of a name without a fixed beginning: words that are one when written in capitals, but for those of courtesy."""
    words = [match for match in _WORD.finditer(text) if match[0].lower() not in _COURTESIES]
    return [
        Reading(value, value, *match.span())
        for match in words
        if (value := match[0].upper()) and re.fullmatch(_core(pattern), value)
    ]


@lru_cache(maxsize=256)
def _shapes(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    core = _core(pattern)
    exact = re.compile(rf"(?<![\w-])(?:{core})(?![\w-])")
    begin = _beginning(core)
    if not begin:
        return exact, None, None
    rest = core[len(_escaped(core)) :]
    letters = [re.escape(part) for part in _PIECE.findall(begin)]
    loose = re.compile(rf"(?<!\w)#?{_GAP.join(letters)}{_GAP}(?:{rest})(?!\w)", re.IGNORECASE)
    return exact, loose, re.compile(rf"(?<![\w.,€$-])#?(?:{rest})(?![\w,.]\w|[\w€$%])", re.IGNORECASE)


def _core(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix("$")


def _escaped(core: str) -> str:
    """The fixed beginning as it is written in the expression; empty when there are alternatives."""
    match = _LITERAL.match(core)
    return "" if match is None or "|" in core else match[0]


def _beginning(core: str) -> str:
    return _ESCAPE.sub(r"\1", _escaped(core))


def _restored(said: str, pattern: str) -> str | None:
    """The exact name behind a loose form, None when it is none after all."""
    core = _core(pattern)
    begin = _beginning(core)
    squeezed = _GAPS.sub("", said)
    plain = _GAPS.sub("", begin)
    tail = squeezed[len(plain) :] if squeezed.upper().startswith(plain.upper()) else squeezed
    return next((made for end in (tail, tail.upper(), tail.lower()) if re.fullmatch(core, made := begin + end)), None)
