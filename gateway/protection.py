"""What a tenant may say about the numbers that people write: settings of the configuration file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Settings
from schemas.protection.cards import OwnNumbers
from schemas.protection.numbers import own_numbers


def _findable(patterns: list[str]) -> list[str]:
    own_numbers(patterns)
    return patterns


class Protection(Settings):
    own_numbers: Annotated[list[str], AfterValidator(_findable)] = []
    """Numbers that this tenant gives out (orders, parcels), as `PS-#####`: `#` stands for a digit, `@` for a letter.
    They are never taken for a card's number, and are masked in exports."""

    @property
    def finder(self) -> OwnNumbers | None:
        return own_numbers(self.own_numbers)
