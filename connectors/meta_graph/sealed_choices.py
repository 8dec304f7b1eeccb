"""Signed payloads of buttons: they name the choice and the message, with a seal made from the app's secret.

Nobody can make up such a payload, so a choice that comes back was really offered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from schemas.key_ring import is_any
from schemas.messages import Choice, ChoiceSelection, OutboundMessage
from schemas.ports import Account

_SEAL_LENGTH = 16
"""Characters, 96 bits."""


def seal_choices(message: OutboundMessage, account: Account) -> list[str]:
    """Return one payload for each choice of a message."""
    key = account.settings.app_secret.get_secret_value()
    return [_build_payload(message.id, choice.id, key) for choice in message.choices]


def open_choice(payload: str, account: Account) -> ChoiceSelection | None:
    """Return the choice; None for payloads that are not ours: icebreakers, buttons of templates, forgeries."""
    signed, _, _ = payload.rpartition("|")
    message, separator, choice = signed.partition("|")
    expected = [_build_payload(message, choice, key) for key in account.settings.app_secret.keys]
    if not separator or not is_any(payload, expected):
        return None
    return ChoiceSelection(in_reply_to=message, id=choice)


def fits_limits(choices: Sequence[Choice], payloads: Sequence[str], *, most: int, title: int, payload: int) -> bool:
    """Return whether the number of choices, their labels and payloads stay within the vendor's limits."""
    is_short = all(len(choice.label.strip()) <= title for choice in choices)
    return 0 < len(choices) <= most and is_short and all(len(each) <= payload for each in payloads)


def _build_payload(message: str, choice: str, key: str) -> str:
    digest = hmac.new(key.encode(), f"choice\x00{message}\x00{choice}".encode(), hashlib.sha256).digest()
    return f"{message}|{choice}|{base64.urlsafe_b64encode(digest).decode()[:_SEAL_LENGTH]}"
