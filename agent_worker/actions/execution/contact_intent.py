"""Checks whether the contact's own words request an action. Text from documents, files, results and other people never
does.

This protects against a model that obeys whatever it reads. When in doubt the contact is asked, which costs one
question, so an unusual request may be missed but nothing else may pass as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from agent_worker.actions.parsing import Field, ParseContext, fields_of
from agent_worker.actions.slot_filling.action_matching import match_action
from agent_worker.actions.spec import Action
from schemas.actions import Filling
from schemas.ports import ActionOffer

_SENTENCE = re.compile(r"\n|;|(?<=[.!?])\s|\b(?:and|und)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_MAX_SENTENCES = 8
"""Sentences that are searched for a request."""


@dataclass(frozen=True, slots=True)
class ContactIntent:
    """``words`` are the contact's messages of this turn; ``earlier`` are their previous ones, which may contain
    arguments. ``filling``: the parameters that they were asked for one by one after requesting an action."""

    words: str
    earlier: Sequence[str]
    filling: Filling | None
    today: date
    locale: str

    def requests(self, action: Action, given: Mapping[str, Any], offers: Sequence[ActionOffer]) -> bool:
        """Return whether the contact requested this action and stated every argument in it. ``given``: as JSON values,
        without what the action adds by itself."""
        return self._requests_action(action.name, offers) and self._states_arguments(action, given)

    def _requests_action(self, name: str, offers: Sequence[ActionOffer]) -> bool:
        if self.filling is not None and name in {
            self.filling.action,
            *(following.action for following in self.filling.then),
        }:
            return True
        parts = [self.words, *[part for part in _SENTENCE.split(self.words) if part.strip()][:_MAX_SENTENCES]]
        return any(
            found is not None and found.offer.name == name for found in (match_action(part, offers) for part in parts)
        )

    def _states_arguments(self, action: Action, given: Mapping[str, Any]) -> bool:
        fields = {field.name: field for field in fields_of(action.parameters, self.locale)}
        defaults = {name: field.default for name, field in action.model.model_fields.items()}
        filled = self.filling.given if self.filling is not None and self.filling.action == action.name else {}
        text = "\n".join([self.words, *self.earlier])
        return all(
            value in (defaults.get(name), filled.get(name)) or self._mentions(text, fields.get(name), value)
            for name, value in given.items()
        )

    def _mentions(self, text: str, field: Field | None, value: Any) -> bool:
        if isinstance(value, Mapping | list):
            inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
            return all(self._mentions(text, None, item) for item in inner)
        if isinstance(value, str) and _normalize(value) and f" {_normalize(value)} " in f" {_normalize(text)} ":
            return True
        if field is None:
            return False
        readings = (
            reading.value
            for line in (text, *text.split("\n"))
            for asked in (False, True)
            for reading in field.read(line, ParseContext(self.today, self.locale, asked))
        )
        return any(str(reading) == str(value) for reading in readings)


def _normalize(text: str) -> str:
    """The words alone, so that punctuation and whitespace make no difference."""
    return " ".join(_WORD.findall(text.casefold()))
