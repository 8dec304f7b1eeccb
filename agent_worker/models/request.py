"""One request to a model, in no provider's terms: what is said by turns, and what may be called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.ports import Offer

_CHARACTERS = 3
"""Characters that count as one token: fewer than the true average, so that an estimate errs on the safe side."""


@dataclass(frozen=True, slots=True)
class Said:
    """By us. ``stable``: the same for every question of the tenant, so that a provider may keep it."""

    text: str
    stable: bool = False

    @property
    def length(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True)
class Call:
    """An action the model asks for. ``arguments``: JSON as it wrote it, which need not be any."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """By the model. ``raw``: the provider's own form of it, with what it wants to see again."""

    text: str
    calls: tuple[Call, ...] = ()
    raw: object = None

    @property
    def length(self) -> int:
        return len(self.text) + sum(len(call.arguments) for call in self.calls)


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of the calls before: JSON each."""

    results: tuple[tuple[Call, str], ...]

    @property
    def length(self) -> int:
        return sum(len(text) for _, text in self.results)


Part = Said | Wrote | Returned


@dataclass(frozen=True, slots=True)
class Prompt:
    """``parts`` begin with the data, the stable ones first. ``offers`` may be called."""

    system: str
    parts: tuple[Part, ...]
    offers: tuple[Offer, ...] = ()

    @property
    def size(self) -> int:
        """Estimated tokens."""
        offered = sum(len(offer.description) + len(str(offer.parameters)) for offer in self.offers)
        return (len(self.system) + offered + sum(part.length for part in self.parts)) // _CHARACTERS + 1

    def then(self, *parts: Part) -> Prompt:
        return replace(self, parts=(*self.parts, *parts))


def tokens_in(texts: Sequence[str]) -> int:
    """Estimated."""
    return sum(map(len, texts)) // _CHARACTERS + 1
