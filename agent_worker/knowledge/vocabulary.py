"""Words as numbers: compared by the thousand, they must not be strings."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int32]


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
        import numpy as np

        return np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))

    def number(self, word: str) -> int:
        """-1 when it is not here."""
        return self._numbers.get(word, -1)

    def words(self, numbers: Numbers) -> list[str]:
        words = self._numbers.words
        return [words[number] for number in numbers.tolist()]
