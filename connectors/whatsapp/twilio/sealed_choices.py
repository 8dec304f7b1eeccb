"""What stands behind a button: which choice of which message, signed, because a changed app can send back anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from connectors.whatsapp.settings import TwilioAccount
from schemas.messages import Choice, Choosing

LONGEST = 200
"""Characters of an id, by Twilio's rule."""


def payload(message_id: str, choice_id: str, settings: TwilioAccount) -> str:
    return f"{message_id}:{_seal(message_id, choice_id, settings)}:{choice_id}"


def payloads(message_id: str, choices: Sequence[Choice], settings: TwilioAccount) -> list[str]:
    """Empty when one would not fit: such choices are shown as numbered text."""
    made = [payload(message_id, choice.id, settings) for choice in choices]
    return made if all(len(each) <= LONGEST for each in made) else []


def opened(text: str, settings: TwilioAccount) -> Choosing | None:
    """None for what is not ours: of an approved template, of another program, forged."""
    message_id, _, rest = text.partition(":")
    seal, _, choice_id = rest.partition(":")
    if not (message_id and choice_id):
        return None
    wanted = _seal(message_id, choice_id, settings)
    is_ours = hmac.compare_digest(seal.encode("utf-8", "surrogatepass"), wanted.encode())
    return Choosing(in_reply_to=message_id, id=choice_id) if is_ours else None


def _seal(message_id: str, choice_id: str, settings: TwilioAccount) -> str:
    key = b"choice:" + settings.auth_token.get_secret_value().encode()
    text = f"{len(message_id)}:{message_id}{choice_id}"
    digest = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()
