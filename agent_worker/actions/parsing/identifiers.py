"""Order numbers and other identifiers with a fixed pattern, and e-mail addresses."""

from __future__ import annotations

import re
from functools import lru_cache

from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue, deduplicate, drop_overlapping

_EMAIL = re.compile(
    r"(?<![\w.+-])[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?![\w@-])",
    re.IGNORECASE,
)
_POLITE_WORDS = frozenset(
    {"bitte", "code", "danke", "lautet", "please", "thank", "thanks", "this", "voucher", "gutschein"}
)
_GAP = r"[\s_./–#-]{0,4}"
_GAPS = re.compile(r"[\s_./–#-]")
_WORD = re.compile(r"[\w-]+")
_PIECE = re.compile(r"[A-Za-z]+|\d+")
_ESCAPE = re.compile(r"\\(.)")
_LITERAL = re.compile(r"(?:[A-Za-z0-9 _#/-]|\\[-#/.])*(?![?*+{])")


def emails(text: str, context: ParseContext) -> list[ParsedValue]:
    """Lower-cased: no shop distinguishes customers by capital letters."""
    found = (match for match in _EMAIL.finditer(text) if ".." not in match[0])
    return deduplicate(ParsedValue(match[0].lower(), match[0].lower(), *match.span()) for match in found)


def identifiers(text: str, context: ParseContext, pattern: str) -> list[ParsedValue]:
    """Matches of ``pattern`` (a regular expression, as in JSON schema) regardless of capitals, blanks and hyphens: ``np
    10234`` is ``NP-10234``. When it was asked for, its fixed prefix may be omitted."""
    exact, loose, bare = _shapes(pattern)
    found = [ParsedValue(match[0], match[0], *match.span()) for match in exact.finditer(text)]
    if not found and loose is None and context.asked:
        found = _read_standalone(text, pattern)
    for shape in (loose, bare if context.asked else None):
        found += [
            ParsedValue(value, value, *match.span())
            for match in (shape.finditer(text) if shape is not None else ())
            if (value := _restore(match[0], pattern)) is not None
        ]
    return deduplicate(drop_overlapping(found))


def _read_standalone(text: str, pattern: str) -> list[ParsedValue]:
    """Find words that match a pattern without a fixed prefix in upper case, except polite words."""
    words = [match for match in _WORD.finditer(text) if match[0].lower() not in _POLITE_WORDS]
    return [
        ParsedValue(value, value, *match.span())
        for match in words
        if (value := match[0].upper()) and re.fullmatch(_core(pattern), value)
    ]


@lru_cache(maxsize=256)
def _shapes(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]:
    core = _core(pattern)
    exact = re.compile(rf"(?<![\w-])(?:{core})(?![\w-])")
    begin = _fixed_prefix(core)
    if not begin:
        return exact, None, None
    rest = core[len(_escaped_prefix(core)) :]
    letters = [re.escape(part) for part in _PIECE.findall(begin)]
    loose = re.compile(rf"(?<!\w)#?{_GAP.join(letters)}{_GAP}(?:{rest})(?!\w)", re.IGNORECASE)
    return exact, loose, re.compile(rf"(?<![\w.,€$-])#?(?:{rest})(?![\w,.]\w|[\w€$%])", re.IGNORECASE)


def _core(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix("$")


def _escaped_prefix(core: str) -> str:
    """The fixed prefix as written in the expression; empty when there are alternatives."""
    match = _LITERAL.match(core)
    return "" if match is None or "|" in core else match[0]


def _fixed_prefix(core: str) -> str:
    return _ESCAPE.sub(r"\1", _escaped_prefix(core))


def _restore(text: str, pattern: str) -> str | None:
    """The exact identifier behind a loosely written one, or None."""
    core = _core(pattern)
    begin = _fixed_prefix(core)
    squeezed = _GAPS.sub("", text)
    plain = _GAPS.sub("", begin)
    tail = squeezed[len(plain) :] if squeezed.upper().startswith(plain.upper()) else squeezed
    return next(
        (candidate for end in (tail, tail.upper(), tail.lower()) if re.fullmatch(core, candidate := begin + end)), None
    )
