"""A word in the instructions that no answer may hold: whoever gets a model to recite them gets nothing."""

from __future__ import annotations

import hashlib
import hmac

from agent_worker.grounding.failures import AttemptFailed


def canary_of(secret: str, tenant: str) -> str:
    """The tenant's own; another tenant's tells nothing of it."""
    digest = hmac.new(secret.encode(), f"canary:{tenant}".encode(), hashlib.sha256).hexdigest()
    return f"ref-{digest[:20]}"


class Canary:
    """Watches one text as it grows."""

    def __init__(self, word: str) -> None:
        self._word = _letters(word)
        self._seen = ""

    def watch(self, text: str) -> None:
        """Raises AttemptFailed when all that was seen so far holds the word, however it is spaced or written."""
        self._seen = (self._seen + _letters(text))[-4 * len(self._word) - len(text) :]
        if self._word and self._word in self._seen:
            raise AttemptFailed("it gave its instructions away")


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
