"""Matching of many word patterns in one pass: at each word only the patterns that begin with it are tried."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from agent_worker.nlu.words import END, is_unspaced, tokenize

_GAP = 4
_UNSPACED_GAP = 8
_ELIDED = frozenset(["all", "c", "d", "dall", "dell", "j", "l", "m", "n", "qu", "quelqu", "s", "t", "un"])
"""Words whose apostrophe may be omitted."""
_CONTINUATION = re.compile(r"/\n *")
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """``exact``: alternatives of one or several words; ``begins``: prefixes of a single word. Up to ``gap`` other words
    may precede it."""

    exact: tuple[Words, ...]
    begins: tuple[str, ...]
    gap: int

    def ends(self, words: Sequence[str], place: int) -> Iterator[int]:
        """Possible ends when it begins at ``place``."""
        for one in self.exact:
            if words[place] == one[0] and (len(one) == 1 or tuple(words[place : place + len(one)]) == one):
                yield place + len(one)
        if self.begins and words[place].startswith(self.begins):
            yield place + 1


@dataclass(frozen=True, slots=True)
class Pattern:
    label: str
    language: str
    elements: tuple[Element, ...]

    def end(self, words: Sequence[str], place: int) -> int:
        """The earliest end of a match that begins at ``place``; 0 when there is none."""
        ends = set(self.elements[0].ends(words, place))
        for element in self.elements[1:]:
            ends = set(_next_ends(element, words, ends))
            if not ends:
                return 0
        return min(ends, default=0)


@dataclass(frozen=True, slots=True)
class Match:
    label: str
    language: str
    begin: int
    end: int


@dataclass(slots=True)
class PatternIndex:
    """Patterns indexed by their first word or its prefix."""

    by_word: defaultdict[str, list[Pattern]] = field(default_factory=lambda: defaultdict(list))
    by_beginning: defaultdict[str, list[Pattern]] = field(default_factory=lambda: defaultdict(list))
    lengths: tuple[int, ...] = ()
    """Lengths of the prefixes in ``by_beginning``."""

    @classmethod
    def build(cls, patterns: Iterable[Pattern]) -> PatternIndex:
        index = cls()
        for pattern in patterns:
            first = pattern.elements[0]
            for word in dict.fromkeys(words[0] for words in first.exact):
                index.by_word[word].append(pattern)
            for beginning in dict.fromkeys(first.begins):
                index.by_beginning[beginning].append(pattern)
        index.lengths = tuple(sorted({len(beginning) for beginning in index.by_beginning}))
        return index

    def find(self, words: Sequence[str]) -> list[Match]:
        return [
            Match(pattern.label, pattern.language, place, end)
            for place, word in enumerate(words)
            for pattern in self._candidates(word)
            if (end := pattern.end(words, place))
        ]

    def _candidates(self, word: str) -> Iterator[Pattern]:
        yield from self.by_word.get(word, ())
        for length in self.lengths:
            if length > len(word):
                break
            yield from self.by_beginning.get(word[:length], ())


def _next_ends(element: Element, words: Sequence[str], places: Iterable[int]) -> Iterator[int]:
    for begin in places:
        for place in range(begin, min(begin + element.gap + 1, len(words))):
            if words[place] == END:
                break
            yield from element.ends(words, place)


def pattern_lines(written: str) -> list[str]:
    """The patterns of a table's field, one per line. A line that ends in "/" continues on the next."""
    return [line for line in _CONTINUATION.sub("/", written).splitlines() if line.strip()]


def parse_pattern(label: str, language: str, line: str) -> Pattern:
    """See ``PhraseTable`` for the syntax."""
    elements, gap = [], False
    for part in line.split():
        if part == "...":
            gap = True
            continue
        elements.append(_element(part, gap=gap))
        gap = False
    return Pattern(label, language, tuple(elements))


def _element(part: str, *, gap: bool) -> Element:
    exact: list[Words] = []
    begins = []
    for alternative in part.split("/"):
        for spelling in _spellings(alternative.removesuffix("*")):
            words = tuple(tokenize(spelling.replace("_", " ")))
            if alternative.endswith("*") and len(words) == 1 and not is_unspaced(words[0]):
                begins.append(words[0])
            else:
                exact.append(words)
    width = 0 if not gap else _UNSPACED_GAP if any(is_unspaced(one[0]) for one in exact) else _GAP
    return Element(tuple(dict.fromkeys(exact)), tuple(dict.fromkeys(begins)), width)


def _spellings(alternative: str) -> Iterator[str]:
    yield alternative
    parts = alternative.split("_")
    joined = [part if part not in _ELIDED else f"{part}\0" for part in parts[:-1]] + parts[-1:]
    if any(part.endswith("\0") for part in joined):
        yield "_".join(joined).replace("\0_", "")
