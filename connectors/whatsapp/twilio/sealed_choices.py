"""Signed payloads of buttons: they name the choice and the message. A modified app can send back anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from connectors.whatsapp.settings import TwilioAccount
from schemas.key_ring import is_any
from schemas.messages import Choice, ChoiceSelection

MAX_PAYLOAD = 200
"""Characters, by Twilio's limit."""


def seal_choice(message_id: str, choice_id: str, settings: TwilioAccount) -> str:
    return f"{message_id}:{_sign(message_id, choice_id, settings.auth_token.get_secret_value())}:{choice_id}"


def seal_choices(message_id: str, choices: Sequence[Choice], settings: TwilioAccount) -> list[str]:
    """Empty when one would be too long: then the choices are shown as numbered text."""
    sealed = [seal_choice(message_id, choice.id, settings) for choice in choices]
    return sealed if all(len(each) <= MAX_PAYLOAD for each in sealed) else []


def open_choice(text: str, settings: TwilioAccount) -> ChoiceSelection | None:
    """Return the choice; None for payloads that are not ours: from a template, another program, or forged."""
    message_id, _, rest = text.partition(":")
    seal, _, choice_id = rest.partition(":")
    if not (message_id and choice_id):
        return None
    is_ours = is_any(seal, [_sign(message_id, choice_id, key) for key in settings.auth_token.keys])
    return ChoiceSelection(in_reply_to=message_id, id=choice_id) if is_ours else None


def _sign(message_id: str, choice_id: str, token: str) -> str:
    key = b"choice:" + token.encode()
    text = f"{len(message_id)}:{message_id}{choice_id}"
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()
