"""Records of the desk's current content: outcomes of posts, the current card, and the last shown states."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.thread_ids import Place
from schemas import ids
from schemas.conversation import DeliveryOutcome
from schemas.ports import Clock, Deliveries

MAX_CACHED_OUTCOMES = 50_000
MAX_CACHED_STATES = 10_000


class PostRecords:
    """Outcomes of posts, with a cache of final outcomes: every update of a thread looks up all its lines."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._final: OrderedDict[tuple[str, str], DeliveryOutcome] = OrderedDict()

    async def outcome(self, conversation: str, marker: str) -> DeliveryOutcome | None:
        key = (conversation, marker)
        if (cached := self._final.get(key)) is not None:
            return cached
        outcome = await self._deliveries.outcome(conversation, marker)
        if outcome is not None and outcome.state != "unknown":
            self._final[key] = outcome
            while len(self._final) > MAX_CACHED_OUTCOMES:
                self._final.popitem(last=False)
        return outcome

    def forget(self, conversation: str) -> None:
        """Forget the outcomes of a conversation that is being erased: it may begin anew under the same id."""
        for key in [each for each in self._final if each[0] == conversation]:
            del self._final[key]

    async def is_begun(self, conversation: str, marker: str) -> bool:
        """Return whether a post was begun and has no outcome."""
        return await self._deliveries.intent_deadline(conversation, marker) is not None

    async def record(self, conversation: str, outcome: DeliveryOutcome) -> None:
        await self._deliveries.record(conversation, outcome)


class PostState:
    """The last shown state of posts that change: a card, a mark, a post whose lines were edited.

    Outcomes are final, so each state is an outcome of its own, numbered from 0; the last one counts. They are not
    published on ``parley.events``: if the store loses them, the desk only makes one superfluous update. The cache is
    per process; states that another process wrote are found, because reading continues after the last known number."""

    def __init__(self, records: PostRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def read(self, conversation: str, key: str) -> str:
        """Return the last state; empty if there is none."""
        number, text = self._last.get(key, (-1, ""))
        while (outcome := await self._records.outcome(conversation, _state_id(key, number + 1))) is not None:
            number, text = number + 1, outcome.reason
        self._keep(key, number, text)
        return text

    async def write(self, conversation: str, key: str, text: str) -> None:
        """Record a new state; call ``read`` before."""
        number = self._last.get(key, (-1, ""))[0] + 1
        outcome = DeliveryOutcome(message_id=_state_id(key, number), state="sent", reason=text, at=self._clock())
        await self._records.record(conversation, outcome)
        self._keep(key, number, text)

    def _keep(self, key: str, number: int, text: str) -> None:
        self._last[key] = (number, text)
        self._last.move_to_end(key)
        while len(self._last) > MAX_CACHED_STATES:
            self._last.popitem(last=False)


def _state_id(key: str, number: int) -> str:
    return ids.derived_id(key, "slate", number)


@dataclass(frozen=True, slots=True)
class Root:
    """The card of a conversation, which begins its thread. ``number`` counts the cards of a conversation from 0: a card
    that was deleted or moved to another channel is replaced by the next. ``place`` is None until it is posted;
    ``required_channel``: the channel of a transfer, empty if the rules choose it."""

    conversation: str
    number: int
    place: Place | None = None
    required_channel: str = ""
    shown_at: datetime | None = None

    @property
    def marker(self) -> str:
        return root_id(self.conversation, self.number)


def root_id(conversation: str, number: int) -> str:
    return ids.derived_id(conversation, "desk", number)


def _gone_id(root: str) -> str:
    """Return the id of the record that a card was replaced; its reason is the channel of the next card, empty for the
    default."""
    return ids.derived_id(root, "gone")


async def find_root(records: PostRecords, conversation: str) -> Root:
    """Find the current card."""
    number, required_channel = 0, ""
    while (abandoned := await records.outcome(conversation, _gone_id(root_id(conversation, number)))) is not None:
        number, required_channel = number + 1, abandoned.reason
    outcome = await records.outcome(conversation, root_id(conversation, number))
    if outcome is None or outcome.state != "sent" or not outcome.external_id:
        return Root(conversation, number, required_channel=required_channel)
    return Root(conversation, number, Place.of(outcome.external_id), required_channel, outcome.at)


async def list_cards(records: PostRecords, conversation: str) -> frozenset[Place]:
    """All cards that a conversation has had, as far as they are still on record."""
    current = await find_root(records, conversation)
    found = [await records.outcome(conversation, root_id(conversation, n)) for n in range(current.number + 1)]
    return frozenset(Place.of(each.external_id) for each in found if each is not None and each.external_id)


async def leave_root(poster: Poster, session: DeskSession, root: Root, channel: str = "") -> None:
    """Replace the card by the next one, in ``channel`` or where the rules say."""
    await poster.record_done(session, _gone_id(root.marker), reason=channel)
