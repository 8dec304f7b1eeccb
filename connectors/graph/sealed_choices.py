"""What stands behind a button: which choice of which message it is, sealed with the app's secret.

Somebody who has learned how such a payload looks cannot make one up, so a choice that comes back was offered."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from schemas.messages import Choice, Choosing, OutboundMessage
from schemas.ports import Account

_SEAL = 16
"""Characters: 96 bits."""


def sealed(message: OutboundMessage, account: Account) -> list[str]:
    """One payload for each choice of a message."""
    return [_written(message.id, choice.id, account) for choice in message.choices]


def opened(payload: str, account: Account) -> Choosing | None:
    """None for what we did not write: an icebreaker, a template's button, something forged."""
    written, _, _ = payload.rpartition("|")
    message, mark, choice = written.partition("|")
    if not mark or not hmac.compare_digest(_written(message, choice, account).encode(), payload.encode()):
        return None
    return Choosing(in_reply_to=message, id=choice)


def fit(choices: Sequence[Choice], payloads: Sequence[str], *, most: int, title: int, payload: int) -> bool:
    """Whether so many choices can be shown, with labels and payloads of at most so many characters."""
    is_short = all(len(choice.label.strip()) <= title for choice in choices)
    return 0 < len(choices) <= most and is_short and all(len(each) <= payload for each in payloads)


def _written(message: str, choice: str, account: Account) -> str:
    key = account.settings.app_secret.get_secret_value().encode()
    digest = hmac.new(key, f"choice\x00{message}\x00{choice}".encode(), hashlib.sha256).digest()
    return f"{message}|{choice}|{base64.urlsafe_b64encode(digest).decode()[:_SEAL]}"
