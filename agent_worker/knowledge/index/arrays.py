"""Arrays that grow at their end, for one who writes and many who read."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]

_FIRST = 256


class Growing:
    """Rows of one kind. What is there never moves for a reader: one that is full is copied into a larger one, and who
    took the old one keeps it."""

    def __init__(self, kind: type[np.generic], width: int = 0) -> None:
        """Each row is a number, or ``width`` of them."""
        self._all: NDArray[Any] = np.empty((_FIRST, width) if width else _FIRST, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def rows(self) -> NDArray[Any]:
        """As many as there are now. To be taken after whatever says which of them are meant."""
        return self._all[: self._length]

    def extend(self, rows: NDArray[Any]) -> int:
        """Where the first of them stands."""
        begin, end = self._length, self._length + len(rows)
        if end > len(self._all):
            # What is not written takes no memory.
            grown = np.empty((end + end // 2, *self._all.shape[1:]), self._all.dtype)
            grown[:begin] = self._all[:begin]
            self._all = grown
        self._all[begin:end] = rows
        self._length = end
        return begin


def flat(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of stretches, at least one, one after another: each its first place and how many there are."""
    ends = np.cumsum(sizes)
    places: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(begins - (ends - sizes), sizes)
    return places


# Words as numbers: compared by the thousand, they must not be strings.
class _Numbers(dict[str, int]):
    """A word that is missed gets the next number."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def __missing__(self, word: str) -> int:
        number = len(self.words)
        # The list first: whoever reads the number finds its word.
        self.words.append(intern(word))
        self[self.words[number]] = number
        return number


class Vocabulary:
    """Word → number, from 0 on, for good. One writer; readers beside it."""

    def __init__(self) -> None:
        self._numbers = _Numbers()

    def __len__(self) -> int:
        return len(self._numbers)

    def put(self, words: Sequence[str]) -> Numbers:
        """The numbers of words, new ones where they are new."""
        return np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))

    def number(self, word: str) -> int:
        """-1 when it is not here."""
        return self._numbers.get(word, -1)

    def words(self, numbers: Numbers) -> list[str]:
        words = self._numbers.words
        return [words[number] for number in numbers.tolist()]
