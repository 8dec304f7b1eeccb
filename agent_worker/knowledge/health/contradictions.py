"""Sentences of two documents that say the same about the same subject with different figures.

Precise rather than exhaustive: a false alarm costs the reader's trust, while a contradiction that is missed is as
visible as before. Two sentences are compared only if they have the same kinds of figures and share at least two rare
words, and each word that only one of them has must be implied by the other's headings or say little."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from sys import intern

from agent_worker.grounding.numbers import Quantity, find_quantities, is_unit
from agent_worker.knowledge.text.analysis import synonyms, term, words
from agent_worker.knowledge.text.sentences import units_of
from agent_worker.knowledge.text.splitting import split
from schemas.conversation import Document

MAX_STATEMENTS = 200_000
"""Sentences with figures that are kept, about 600 bytes each."""
_MAX_FIGURES = 3
"""A sentence with more figures is a list, whose figures cannot be told apart safely."""
_MAX_WORDS = 40
_MAX_LENGTH = 400
_RAREST = 5
"""Words of a sentence by which others are looked up."""
_MAX_BUCKET = 20
"""A pair of words that more sentences share is a template, such as a row of a price list."""
_MIN_SIMILARITY = 0.75
_MIN_SHARED, _MIN_SHARED_SUBJECT, _MIN_SHARED_ELSEWHERE = 2, 1.5, 4.0
_TEMPLATE_VALUES = 3
"""Documents that make the same statement, each with a figure of its own, from which it is no contradiction."""
_PER_MINUTE = {"second": 1 / 60, "minute": 1, "hour": 60, "day": 1440, "week": 10080}
_PER_MONTH = {"month": 1, "year": 12}
_PER_MILLIMETRE = {"mm": 1, "cm": 10, "m": 1000, "km": 1_000_000}
_PER_GRAM = {"g": 1, "kg": 1000}
_PER_MILLILITRE = {"ml": 1, "l": 1000}
_SCALES = {
    name: (kind, factor)
    for kind, scale in (
        ("duration", _PER_MINUTE),
        ("months", _PER_MONTH),
        ("length", _PER_MILLIMETRE),
        ("weight", _PER_GRAM),
        ("volume", _PER_MILLILITRE),
    )
    for name, factor in scale.items()
}
_CLOCK = re.compile(r"\b(1[0-2]|0?[1-9])(?:[:.]([0-5]\d))?\s?([ap])\.?m\b\.?", re.IGNORECASE)
_COUNT = re.compile(r"(?<![\w.,:/#-])(\d{1,4})\s+([a-z]{3,})")
_DATE = re.compile(
    r"\b\d{1,2}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
    r"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\s+\d{1,2}\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(model|version|type|size|no|number|article|section|room|gate|level|step|page|phase|class|zone|line)\.? (\d+)\b",
    re.IGNORECASE,
)
"""Numbers that are part of a name."""
_LOWER_BOUND = re.compile(
    r"\b(?:at least|minimum|more than|over|above|from|after|longer than|exceed\w*)\b", re.IGNORECASE
)
_UPPER_BOUND = re.compile(
    r"\b(?:at most|maximum|up to|under|below|less than|within|no more than|before|until|not exceed\w*)\b", re.IGNORECASE
)
_EARLIER = re.compile(
    r"\b(?:previously|formerly|used to|no longer|was|were|until (?:19|20)\d\d|example|e\.g)\b", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:not|never|no|cannot|without|except|unless)\b|n['’]t\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|when|unless|once|provided|where|for|during|in case)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;]\s+(?:and|but|which|who|so)\b|;\s|\s[–—]\s")


_FIGURE = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|dozen)\b", re.IGNORECASE
)


def _terms_of(text: str) -> frozenset[str]:
    return frozenset(term(word) for word in text.split()) - {""}


_NUMBER_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        """one two three four five six seven eight nine ten eleven twelve fourteen fifteen twenty thirty forty fifty
        sixty seventy eighty ninety hundred thousand dozen first second third""",
    )
)
_WEAK = _terms_of("""
    can may must will would should get take takes need want give make use please usually normally always also only each
    every per within up least most about around currently customer customers item items order orders product products
    our your you we they it us day days hour hours week weeks working business calendar full total price cost costs
    charge fee amount time period long way offer offers include includes included have has allow receive available
    standard yes ask show send tell bring come check let apply mean see pay made
    m2 m3 km2 kg mg ml cm mm mol mmol µmol kwh kbit mbit gbit kb mb gb
""")
"""Words that say little about the subject, and units of measure."""
_GENRE = _terms_of("""
    faq faqs policy policies information info guide overview help terms conditions about questions question general
    details rules notes summary how what when where which much many long do does is are can i my
""")
"""Words of titles that name a kind of text rather than a subject."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence with figures, or a clause of it. ``kinds`` and ``values`` belong together; ``bounds``: from, up to, or
    neither. ``words``: of the clause without figures; the others are those around it."""

    document: str
    heading: str
    quote: str
    kinds: tuple[str, ...]
    values: tuple[str, ...]
    bounds: str
    words: tuple[str, ...]
    sentence_words: tuple[str, ...]
    heading_words: tuple[str, ...]
    title_words: tuple[str, ...]

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table, each of whose cells names its subject."""
        return self.quote.startswith("|")


@dataclass(frozen=True, slots=True)
class Contradiction:
    first: Statement
    second: Statement


class ContradictionFinder:
    """Reads documents one after another, and keeps their sentences with figures. Blocking."""

    def __init__(self) -> None:
        self._statements: list[Statement] = []
        self._frequency: Counter[str] = Counter()
        self._documents = 0
        self.is_complete = True

    def add(self, document: Document) -> None:
        self._documents += 1
        seen: set[str] = set()
        for statement in read_statements(document):
            if len(self._statements) >= MAX_STATEMENTS:
                self.is_complete = False
                break
            self._statements.append(statement)
            seen.update(statement.words)
        self._frequency.update(seen)

    def find(self) -> list[Contradiction]:
        templates = self._find_templates()
        found: dict[tuple[str, str], Contradiction] = {}
        for one, two in self._candidates():
            first, second = self._statements[one], self._statements[two]
            if (first.kinds, frozenset(first.words)) in templates or not self._contradicts(first, second):
                continue
            key = (first.document, second.document)
            if key not in found:
                found[key] = Contradiction(first, second)
        return list(found.values())

    def _find_templates(self) -> set[tuple[tuple[str, ...], frozenset[str]]]:
        """Statements that many documents make, each with its own figure, such as one page for each country."""
        values: defaultdict[tuple[tuple[str, ...], frozenset[str]], dict[tuple[str, ...], str]] = defaultdict(dict)
        for each in self._statements:
            values[each.kinds, frozenset(each.words)][each.values] = each.document
        return {
            key for key, by_value in values.items() if len(set(by_value.values())) >= _TEMPLATE_VALUES <= len(by_value)
        }

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs that have the same kinds of figures and share two of their rarest words."""
        buckets: defaultdict[tuple[tuple[str, ...], str, str], list[int]] = defaultdict(list)
        for number, each in enumerate(self._statements):
            rarest = sorted(sorted(set(each.words)), key=lambda word: self._frequency[word])[:_RAREST]
            for one, two in combinations(sorted(rarest), 2):
                buckets[tuple(sorted(each.kinds)), one, two].append(number)
        seen: set[tuple[int, int]] = set()
        for members in buckets.values():
            if len(members) > _MAX_BUCKET:
                continue
            for pair in combinations(members, 2):
                if pair not in seen:
                    seen.add(pair)
                    yield pair

    def _contradicts(self, one: Statement, two: Statement) -> bool:
        if one.document == two.document or not _differ(one, two):
            return False
        equal = set(one.words).intersection(two.words)
        if 2 * len(equal) < min(len(one.words), len(two.words)):  # most pairs end here
            return False
        only_one, only_two = _find_unmatched(one.words, two.words), _find_unmatched(two.words, one.words)
        if one.is_row and two.is_row and (only_one or only_two):
            return False
        shared = set(one.words) - set(only_one)
        weight = self._weigh(shared)
        # A word that the other's headings imply does not tell the subjects apart.
        rest = [*_find_unmatched(only_one, _list_known_words(two)), *_find_unmatched(only_two, _list_known_words(one))]
        if len(shared) < _MIN_SHARED or weight / max(weight + self._weigh(rest), 0.01) < _MIN_SIMILARITY:
            return False
        # A word that only one sentence has narrows its subject, as "express" does, unless it says little.
        if any(word not in _WEAK for word in rest):
            return False
        return _have_same_subject(one, two, sum(0.5 if word in _WEAK else 1.0 for word in shared))

    def _weigh(self, found: Iterable[str]) -> float:
        return sum(self._weigh_word(word) for word in found)

    def _weigh_word(self, word: str) -> float:
        rarity = math.log((self._documents + 1) / (self._frequency[word] + 0.5)) + 0.5
        return max(0.1, rarity) * (0.2 if word in _WEAK else 1.0)


def _list_known_words(statement: Statement) -> tuple[str, ...]:
    return (*statement.sentence_words, *statement.heading_words, *statement.title_words)


def _have_same_subject(one: Statement, two: Statement, shared: float) -> bool:
    """Whether headings and titles do not tell the subjects apart, as "Basic plan" and "Pro plan" do. ``shared``: the
    words that both sentences have, those that say little counted half."""
    titles = (
        _find_unmatched(one.title_words, _list_known_words(two)),
        _find_unmatched(two.title_words, _list_known_words(one)),
    )
    headings = (
        _find_unmatched(one.heading_words, _list_known_words(two)),
        _find_unmatched(two.heading_words, _list_known_words(one)),
    )
    # Both have a word that the other lacks, such as "Basic plan" and "Pro plan", or "Orchids" and "Cacti".
    if all(titles) or all(headings):
        return shared >= (_MIN_SHARED_ELSEWHERE if all(titles) and all(headings) else _MIN_SHARED_ELSEWHERE - 1)
    return shared >= _MIN_SHARED_SUBJECT


def _find_unmatched(found: Iterable[str], others: Iterable[str]) -> list[str]:
    """Those of the words for which the others have neither the same nor a synonym."""
    known = set(others)
    return [word for word in found if word not in known and known.isdisjoint(synonyms().get(word, ()))]


def _differ(one: Statement, two: Statement) -> bool:
    if one.bounds != two.bounds and "from" in (one.bounds, two.bounds):
        return False
    if one.kinds != two.kinds:
        return False
    return one.values != two.values and sorted(one.values) != sorted(two.values)


def read_statements(document: Document) -> Iterator[Statement]:
    """The sentences, list items and table rows with figures, of a document."""
    title_words = _find_words(document.title, _GENRE)
    for passage in split(document.title, document.body, document.url):
        # "Light" says less than "Phalaenopsis > Light".
        inner_headings = " ".join(passage.heading.split(" > ")[-2:])
        for unit in units_of(passage.text):
            if unit.kind == "code" or len(unit.quote) > _MAX_LENGTH or not _FIGURE.search(unit.quote):
                continue
            if _EARLIER.search(unit.quote):
                continue
            # The names of a table's columns are headings of its rows.
            heading_words = _find_words(f"{inner_headings} {unit.text if unit.kind == 'row' else ''}", _GENRE)
            sentence_words = _find_words(unit.quote, frozenset())
            for clause in _split_clauses(unit.quote):
                if (figures := _read_figures(clause)) is not None:
                    yield Statement(
                        document.id, passage.heading, unit.quote, *figures, sentence_words, heading_words, title_words
                    )


def _split_clauses(sentence: str) -> list[str]:
    """The sentence, and its clauses that can stand alone. A condition belongs to all that follows it."""
    clauses = [] if _CONDITION.search(sentence) else _CLAUSE_END.split(sentence)
    return [sentence, *clauses] if len(clauses) > 1 else [sentence]


def _read_figures(
    text: str,
) -> tuple[tuple[str, ...], tuple[str, ...], str, tuple[str, ...]] | None:
    """Kinds, values and bounds of the figures, and the words around them; None if they cannot be compared."""
    plain = _DATE.sub(" ", _CLOCK.sub(_as_24_hours, _NAME.sub(r"\1\2", text)))
    figures = [_scale(each) for each in find_quantities(plain) if each.unit or ":" in each.value]
    figures += [(f"count {term(match[2])}", match[1]) for match in _COUNT.finditer(plain) if _is_count(match)]
    found = _find_words(plain, frozenset())
    if not 1 <= len(figures) <= _MAX_FIGURES or not 2 <= len(found) <= _MAX_WORDS:
        return None
    if _NEGATION.search(plain):
        found = (*found, "not")
    bounds = "up to" if _UPPER_BOUND.search(plain) else "from" if _LOWER_BOUND.search(plain) else ""
    return tuple(intern(kind) for kind, _ in figures), tuple(intern(value) for _, value in figures), bounds, found


def _is_count(match: re.Match[str]) -> bool:
    counted, is_year = term(match[2]), len(match[1]) == 4 and match[1][:2] in ("19", "20")
    return bool(counted) and counted not in _WEAK and not is_unit(match[2]) and not is_year


def _as_24_hours(match: re.Match[str]) -> str:
    hour = int(match[1]) % 12 + (12 if match[3].casefold() == "p" else 0)
    return f"{hour}:{match[2] or '00'}"


def _scale(quantity: Quantity) -> tuple[str, str]:
    """Kind and value, so that two weeks equal fourteen days."""
    if not quantity.unit:
        return "time", quantity.value.lstrip("0")
    kind, factor = _SCALES.get(quantity.unit, (quantity.unit, 1))
    try:
        return kind, f"{float(quantity.value) * factor:g}"
    except ValueError:
        return kind, quantity.value


def _find_words(text: str, ignored: frozenset[str]) -> tuple[str, ...]:
    """The distinct content words without figures and units."""
    found = dict.fromkeys(
        intern(term(word))
        for word in words(text)
        if not is_unit(word) and word.casefold() not in _NUMBER_WORDS and not _is_figure(word)
    )
    return tuple(word for word in found if word and word not in ignored)


def _is_figure(word: str) -> bool:
    return word[0].isdigit()
