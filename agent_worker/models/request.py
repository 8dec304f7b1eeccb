"""A provider-independent request to a model: prompt parts and actions that it may call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.ports import ActionOffer
from schemas.privacy.personal_data import PersonalData

_CHARACTERS_PER_TOKEN = 3
"""Below the true average, so that estimates err on the safe side."""
IMAGE_TOKENS = 1_600
"""Tokens of one picture, as the providers count the largest that they do not scale down."""


@dataclass(frozen=True, slots=True)
class UserText:
    """Text from us. ``stable``: the same for every question of the tenant, so that a provider may cache it."""

    text: str
    stable: bool = False

    @property
    def length(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True)
class UserImage:
    """A picture that the contact sent. ``id``: of the attachment; ``type``: the media type."""

    id: str
    type: str
    data: bytes

    @property
    def length(self) -> int:
        return IMAGE_TOKENS * _CHARACTERS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class ActionCall:
    """An action that the model calls. ``arguments`` is the text it wrote, which may not be valid JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """Text and calls from the model. ``raw``: the provider's own form, which it needs to see again."""

    text: str
    calls: tuple[ActionCall, ...] = ()
    raw: object = None

    @property
    def length(self) -> int:
        return len(self.text) + sum(len(call.arguments) for call in self.calls)


@dataclass(frozen=True, slots=True)
class CallResults:
    """The results of the preceding calls, as JSON."""

    results: tuple[tuple[ActionCall, str], ...]

    @property
    def length(self) -> int:
        return sum(len(text) for _, text in self.results)


UNNAMED = PersonalData()
"""Finds the personal data of people whose names are not known."""
PromptPart = UserText | UserImage | ModelOutput | CallResults


@dataclass(frozen=True, slots=True)
class Prompt:
    """``parts`` begin with the data, stable parts first. ``offers`` may be called. ``personal_data``: finds what the
    provider must not see; None: it may see everything."""

    system: str
    parts: tuple[PromptPart, ...]
    offers: tuple[ActionOffer, ...] = ()
    personal_data: PersonalData | None = UNNAMED

    @property
    def size(self) -> int:
        """Estimated tokens."""
        offered = sum(len(offer.description) + len(str(offer.parameters)) for offer in self.offers)
        return (len(self.system) + offered + sum(part.length for part in self.parts)) // _CHARACTERS_PER_TOKEN + 1

    def append(self, *parts: PromptPart) -> Prompt:
        return replace(self, parts=(*self.parts, *parts))
