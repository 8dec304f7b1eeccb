"""Settings of how personal data is protected, and of how contacts have it deleted."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Settings
from schemas.privacy.cards import OwnNumbers
from schemas.privacy.harmless_numbers import compile_own_numbers


def _check_own_numbers(patterns: list[str]) -> list[str]:
    compile_own_numbers(patterns)
    return patterns


class ProtectionSettings(Settings):
    """How personal data and the numbers of payment cards are protected."""

    own_numbers: Annotated[list[str], AfterValidator(_check_own_numbers)] = []
    """Patterns of numbers that the tenant itself gives out (orders, parcels), such as ``PS-#####``: ``#`` stands for a
    digit, ``@`` for a letter. They are never mistaken for card numbers, and are masked in exports."""
    mask_for_models: bool = True
    """Send placeholders to models instead of the names, addresses and numbers in contacts' messages and in the results
    of actions. The reply gets the values back. Set it to ``false`` only for models that may see them."""

    @property
    def own_number_finder(self) -> OwnNumbers | None:
        """Finds the tenant's own numbers in a text."""
        return compile_own_numbers(self.own_numbers)


class PrivacySettings(Settings):
    """How contacts have their own data deleted."""

    erasure_requests: bool = True
    """The agent deletes a contact's data when the contact asks for it and confirms it. If false, or without
    ``encrypt_log``, such a message is answered like any other: from the documents, or by a person."""
    erasure_approval: bool = False
    """Whether a colleague must approve such a deletion after the contact has confirmed it."""
