"""Who an update is about."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.names import shown_name
from connectors.whatsapp.identity import Party
from connectors.whatsapp.meta.models import Person


def party(user_id: str, number: str, people: Sequence[Person]) -> Party | None:
    """``number`` may be missing, or be a user id itself. ``people`` is looked through by id, never by order. None when
    nothing tells who it is."""
    known = {user_id, number} - {""}
    person = next((each for each in people if known & {each.user_id, each.wa_id}), Person())
    ids = [each for each in (user_id, person.user_id, number, person.wa_id) if each]
    if not ids:
        return None
    name = shown_name(person.profile.name, person.profile.username)
    return Party(ids[0], name=name).also(*ids[1:])
