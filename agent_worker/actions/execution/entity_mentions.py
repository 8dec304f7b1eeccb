"""Values that a contact has named, such as order numbers, and that later messages refer to: "move it to Friday".

They come from the contact's own words only, never from a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue

from agent_worker.actions.one_time_codes import CHECK
from agent_worker.actions.parsing import Field, ParseContext, fields_of
from agent_worker.actions.spec import Action
from schemas.actions import EntityMentions

LIFETIME = timedelta(minutes=30)
"""Values that were named longer ago are asked for again."""
MAX_VALUES = 3
"""Values of one parameter that are kept."""


def shared_fields(actions: Iterable[Action], locale: str) -> list[Field]:
    """Identifiers that more than one action asks for: they name what the conversation is about."""
    fields = {
        (action.name, field.name, field.pattern): field
        for action in actions
        if action.name != CHECK
        for field in fields_of(action.parameters, locale)
        if field.kind == "identifier"
    }
    counts = Counter(key[1:] for key in fields)
    return list({key[1:]: field for key, field in fields.items() if counts[key[1:]] > 1}.values())


def read_mentions(fields: Sequence[Field], text: str, context: ParseContext) -> list[tuple[str, JsonValue]]:
    """The values that the text names, by parameter, in the order of the text."""
    found = [(reading.begin, field.name, reading.value) for field in fields for reading in field.read(text, context)]
    return [(name, value) for _, name, value in sorted(found, key=lambda each: each[0])]


def add_mentions(
    known: Sequence[EntityMentions], values: Iterable[tuple[str, JsonValue]], contact: str, now: datetime
) -> list[EntityMentions]:
    """``known`` with the values that were just named, without those that are too old."""
    kept = {(each.contact_id, each.parameter): each for each in known if now - each.at < LIFETIME}
    for name, value in values:
        earlier = kept.pop((contact, name), None)
        others = [one for one in earlier.values if one != value] if earlier is not None else []
        kept[contact, name] = EntityMentions(
            parameter=name, contact_id=contact, values=[value, *others][:MAX_VALUES], at=now
        )
    return list(kept.values())


def mentions_for(
    known: Sequence[EntityMentions], action: Action, contact: str, now: datetime
) -> Mapping[str, Sequence[Any]]:
    """The values of the action's parameters that this contact has named."""
    return {
        each.parameter: each.values
        for each in known
        if each.contact_id == contact and now - each.at < LIFETIME and each.parameter in action.model.model_fields
    }
