"""E-mail addresses, links and numbers of orders in a question: they say who or which one is meant, not what is asked.

In a search, their parts would be words that no document contains, as if the question had another subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from linkify_it import LinkifyIt
from linkify_it.tlds import TLDS

from agent_worker.knowledge.text.analysis import term, terms

_SIGNS = ("@", "//", "www.")
"""Without any of these a text has no address. Hosts alone ("shop.com") look too much like two sentences."""
_MAX_READ = 4_000
"""Characters in which addresses are looked for."""
_RESERVED_DOMAINS = ("example", "test", "invalid", "localhost")
_CODE = re.compile(r"(?<![\w.,€$£¥-])#?[^\W_]+(?:[-_/][^\W_]+)*(?![\w-])")
_MIN_CODE_DIGITS = 5
_MIN_NUMBER_DIGITS = 6
"""Amounts and post codes are shorter."""
_MAX_DATE_DIGITS = 4
"""Digits of one part of a date or a telephone number."""
_DIGITS = re.compile(r"\d+")
_MAY_HAVE_CODE = re.compile(rf"\d(?:\D*\d){{{_MIN_CODE_DIGITS - 1}}}")
_GAP = "\0"
"""Stands for a removed one."""
_CLAUSE_START = re.compile(rf"(?<=[.!?,;:]\s)(?=[^\s{_GAP}])|(?<=\n)")
_BLANKS = re.compile(r" {2,}")
_LABELS = frozenset(
    term(word)
    for line in (
        "account address code contact customer email id invoice link mail name number order phone ref reference site",
        "url website",
    )
    for word in line.split()
)
"""Words that name what follows: "my order number is …"."""


def remove_addresses(text: str, is_known: Callable[[str], bool] = lambda _: False) -> str:
    """The text without addresses, links and long numbers, and without clauses that only name one. Unchanged where
    nothing else would remain. Kept are those of which ``is_known`` is true for every term: documents mention them."""
    spans = [span for span in _find_spans(text) if not _is_mentioned(text[slice(*span)], is_known)]
    if not spans:
        return text
    clauses = list(_cut_spans(text, spans))
    kept = [clause for clause, had_address in clauses if not (had_address and _LABELS.issuperset(terms(clause)))]
    remaining = _BLANKS.sub(" ", "".join(kept or [clause for clause, _ in clauses])).strip()
    return remaining if terms(remaining) else text


def _find_spans(text: str) -> list[tuple[int, int]]:
    """Beginning and end of each, in order, without overlaps."""
    spans = sorted([*_addresses(text), *_codes(text)])
    separate: list[tuple[int, int]] = []
    for start, end in spans:
        if not separate or start >= separate[-1][1]:
            separate.append((start, end))
    return separate


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    if not any(sign in text for sign in _SIGNS):
        return
    for match in _linkify().match(text[:_MAX_READ]) or []:
        if match.schema or any(sign in match.raw for sign in _SIGNS):
            yield match.index, match.last_index


@lru_cache(maxsize=1)
def _linkify() -> LinkifyIt:
    return LinkifyIt().tlds([*TLDS, *_RESERVED_DOMAINS])


def _codes(text: str) -> Iterable[tuple[int, int]]:
    if _MAY_HAVE_CODE.search(text) is None:
        return ()
    return (match.span() for match in _CODE.finditer(text) if _is_code(match[0]))


def _is_code(word: str) -> bool:
    """True for the number of an order, a customer or a parcel; not for a date, an amount or a post code."""
    runs = [len(run) for run in _DIGITS.findall(word)]
    if sum(runs) < _MIN_CODE_DIGITS:
        return False
    if any(sign.isalpha() for sign in word):
        return True
    return max(runs) > _MAX_DATE_DIGITS and sum(runs) >= _MIN_NUMBER_DIGITS


def _is_mentioned(word: str, is_known: Callable[[str], bool]) -> bool:
    return all(map(is_known, terms(word)))


def _cut_spans(text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """The clauses without the spans, and whether each had one."""
    pieces, place = [], 0
    for start, end in spans:
        pieces.append(text[place:start])
        place = end
    for clause in _CLAUSE_START.split(_GAP.join([*pieces, text[place:]])):
        yield clause.replace(_GAP, " "), _GAP in clause
