"""Whether the contact's own words ask for an action: what documents, files, results and other people say never does.

A model that obeys whatever it reads must not get anything done by that. Where it is not sure, the contact is asked,
which costs a question; so words that ask in an unusual way may be missed, and nothing else may be taken for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from agent_worker.actions.parsing import Context, Field, fields_of
from agent_worker.actions.slot_filling.action_matching import pick
from agent_worker.actions.spec import Action
from schemas.actions import Filling
from schemas.ports import Offer

_SENTENCE = re.compile(r"\n|;|(?<=[.!?])\s|\b(?:and|und)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_MOST = 8
"""Sentences in which it is looked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """``words``: the contact's messages of this turn; ``earlier``: theirs before, which may hold what an action is to
    be done with. ``filling``: what they were asked for, one by one, because they had asked for it."""

    words: str
    earlier: Sequence[str]
    filling: Filling | None
    today: date
    locale: str

    def names(self, action: Action, given: Mapping[str, Any], offers: Sequence[Offer]) -> bool:
        """Whether this very action is asked for, with nothing in it that the contact has not said. ``given``: as JSON
        values, without what the action adds by itself."""
        return self._asks(action.name, offers) and self._says(action, given)

    def _asks(self, name: str, offers: Sequence[Offer]) -> bool:
        if self.filling is not None and name in {self.filling.action, *(each.action for each in self.filling.then)}:
            return True
        parts = [self.words, *[part for part in _SENTENCE.split(self.words) if part.strip()][:_MOST]]
        return any(found is not None and found.offer.name == name for found in (pick(part, offers) for part in parts))

    def _says(self, action: Action, given: Mapping[str, Any]) -> bool:
        fields = {field.name: field for field in fields_of(action.parameters, self.locale)}
        defaults = {name: field.default for name, field in action.model.model_fields.items()}
        told = self.filling.given if self.filling is not None and self.filling.action == action.name else {}
        said = "\n".join([self.words, *self.earlier])
        return all(
            value in (defaults.get(name), told.get(name)) or self._holds(said, fields.get(name), value)
            for name, value in given.items()
        )

    def _holds(self, said: str, field: Field | None, value: Any) -> bool:
        if isinstance(value, Mapping | list):
            inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
            return all(self._holds(said, None, each) for each in inner)
        if isinstance(value, str) and _bare(value) and f" {_bare(value)} " in f" {_bare(said)} ":
            return True
        if field is None:
            return False
        readings = (
            reading.value
            for text in (said, *said.split("\n"))
            for asked in (False, True)
            for reading in field.read(text, Context(self.today, self.locale, asked))
        )
        return any(str(reading) == str(value) for reading in readings)


def _bare(text: str) -> str:
    """Its words alone, so that marks and spaces make no difference."""
    return " ".join(_WORD.findall(text.casefold()))
