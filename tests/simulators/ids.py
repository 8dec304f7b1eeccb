"""Ids that look like a vendor's, the same ones for the same seed."""

from __future__ import annotations

import random
import string

LETTERS = string.ascii_letters + string.digits


class Ids:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def digits(self, length: int, start: str = "") -> str:
        return start + "".join(self.random.choices(string.digits, k=length - len(start)))

    def letters(self, length: int, start: str = "") -> str:
        return start + "".join(self.random.choices(LETTERS, k=length - len(start)))

    def hex(self, length: int) -> str:
        return "".join(self.random.choices("0123456789abcdef", k=length))
