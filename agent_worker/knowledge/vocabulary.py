"""Words as numbers: compared by the thousand, they must not be strings."""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int32]


class Vocabulary:
    """Word → number, from 0 on, for good. One writer; readers beside it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: list[str] = []

    def __len__(self) -> int:
        return len(self._words)

    def put(self, words: Iterable[str]) -> Numbers:
        """The numbers of words, new ones where they are new."""
        import numpy as np

        return np.array([self._put(word) for word in words], np.int32)

    def _put(self, word: str) -> int:
        number = self._numbers.get(word)
        if number is None:
            number = len(self._words)
            # The list first: whoever reads the number finds its word.
            self._words.append(intern(word))
            self._numbers[self._words[number]] = number
        return number

    def number(self, word: str) -> int:
        """-1 when it is not here."""
        return self._numbers.get(word, -1)

    def words(self, numbers: Iterable[int]) -> list[str]:
        return [self._words[number] for number in numbers]
