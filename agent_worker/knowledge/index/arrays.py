"""Growing arrays and a vocabulary for one writer and many concurrent readers."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]

_INITIAL_ROWS = 256


class ArrayBuffer:
    """Rows of one dtype. Existing rows never move under a reader: a full buffer is copied into a larger one, and
    readers keep the buffer they have."""

    def __init__(self, kind: type[np.generic], width: int = 0) -> None:
        """Each row is a number, or an array of ``width`` numbers."""
        self._buffer: NDArray[Any] = np.empty((_INITIAL_ROWS, width) if width else _INITIAL_ROWS, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def rows(self) -> NDArray[Any]:
        """The current rows. Read it after whatever tells which rows are valid."""
        return self._buffer[: self._length]

    def extend(self, rows: NDArray[Any]) -> int:
        """Append rows and return the position of the first one."""
        begin, end = self._length, self._length + len(rows)
        if end > len(self._buffer):
            # Pages that were never written take no memory.
            grown = np.empty((end + end // 2, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[:begin] = self._buffer[:begin]
            self._buffer = grown
        self._buffer[begin:end] = rows
        self._length = end
        return begin


def expand_spans(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions in one or more spans, each given by its beginning and size, in order."""
    ends = np.cumsum(sizes)
    positions: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(begins - (ends - sizes), sizes)
    return positions


class _Numbers(dict[str, int]):
    """A missing word gets the next number."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def __missing__(self, word: str) -> int:
        number = len(self.words)
        # The list first, so that a reader of the number finds its word.
        self.words.append(intern(word))
        self[self.words[number]] = number
        return number


class Vocabulary:
    """Permanent numbers for words, from 0. One writer and many readers.

    Scoring compares words by the thousand, which is too slow with strings.
    """

    def __init__(self) -> None:
        self._numbers = _Numbers()

    def __len__(self) -> int:
        return len(self._numbers)

    def put(self, words: Sequence[str]) -> Numbers:
        """The numbers of words; new words get new numbers."""
        return np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))

    def number(self, word: str) -> int:
        """-1 for an unknown word."""
        return self._numbers.get(word, -1)

    def words(self, numbers: Numbers) -> list[str]:
        words = self._numbers.words
        return [words[number] for number in numbers.tolist()]
