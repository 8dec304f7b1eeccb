"""The record of what stands at the desk: outcomes of posts, the card that counts, and what was shown last."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from connectors.desk.posts.poster import DeskSession, Poster
from connectors.desk.thread_ids import Place
from schemas import ids
from schemas.conversation import DeliveryOutcome
from schemas.ports import Clock, Deliveries

MOST_OUTCOMES = 50_000
MOST_SHOWN = 10_000


class PostRecords:
    """Outcomes of posts, for one process. One that cannot change any more is read once: a line of a long conversation
    is looked up with every look at the thread."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._final: OrderedDict[tuple[str, str], DeliveryOutcome] = OrderedDict()

    async def outcome(self, conversation: str, marker: str) -> DeliveryOutcome | None:
        key = (conversation, marker)
        if (known := self._final.get(key)) is not None:
            return known
        delivered = await self._deliveries.outcome(conversation, marker)
        if delivered is not None and delivered.state != "unknown":
            self._final[key] = delivered
            while len(self._final) > MOST_OUTCOMES:
                self._final.popitem(last=False)
        return delivered

    async def is_begun(self, conversation: str, marker: str) -> bool:
        """Tell whether somebody began to post it and left no outcome."""
        return await self._deliveries.intent_deadline(conversation, marker) is not None

    async def record(self, conversation: str, outcome: DeliveryOutcome) -> None:
        await self._deliveries.record(conversation, outcome)


class PostState:
    """The last state that was shown of things that change: a card, a mark, a post whose lines were edited.

    Outcomes are final, so each state has an outcome of its own, numbered from 0; the last one counts. They are not told
    on ``parley.events``: a state store that lost them costs one more update of what is shown, which changes nothing.
    For one process; what another one wrote meanwhile is found, because reading goes on from what is known here."""

    def __init__(self, records: PostRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def read(self, conversation: str, about: str) -> str:
        """Empty when nothing is on record."""
        number, text = self._last.get(about, (-1, ""))
        while (known := await self._records.outcome(conversation, _shown_id(about, number + 1))) is not None:
            number, text = number + 1, known.reason
        self._keep(about, number, text)
        return text

    async def write(self, conversation: str, about: str, text: str) -> None:
        """Only after ``read``."""
        number = self._last.get(about, (-1, ""))[0] + 1
        outcome = DeliveryOutcome(message_id=_shown_id(about, number), state="sent", reason=text, at=self._clock())
        await self._records.record(conversation, outcome)
        self._keep(about, number, text)

    def _keep(self, about: str, number: int, text: str) -> None:
        self._last[about] = (number, text)
        self._last.move_to_end(about)
        while len(self._last) > MOST_SHOWN:
            self._last.popitem(last=False)


def _shown_id(about: str, number: int) -> str:
    return ids.derived_id(about, "slate", number)


@dataclass(frozen=True, slots=True)
class Root:
    """A conversation's card, which begins its thread. ``number`` counts a conversation's cards from 0: one that was
    deleted, or left for another channel, is followed by the next. ``place`` is None while it is not shown yet;
    ``bound_to``: the channel that it must be shown in, empty where the rules say it."""

    conversation: str
    number: int
    place: Place | None = None
    bound_to: str = ""
    shown_at: datetime | None = None

    @property
    def marker(self) -> str:
        return root_id(self.conversation, self.number)


def root_id(conversation: str, number: int) -> str:
    return ids.derived_id(conversation, "desk", number)


def _gone_id(root: str) -> str:
    """Name the record that a card no longer counts; its reason is the channel of the next, empty for the usual."""
    return ids.derived_id(root, "gone")


async def current_root(records: PostRecords, conversation: str) -> Root:
    """Find the card that counts now."""
    number, bound_to = 0, ""
    while (gone := await records.outcome(conversation, _gone_id(root_id(conversation, number)))) is not None:
        number, bound_to = number + 1, gone.reason
    shown = await records.outcome(conversation, root_id(conversation, number))
    if shown is None or shown.state != "sent" or not shown.external_id:
        return Root(conversation, number, bound_to=bound_to)
    return Root(conversation, number, Place.of(shown.external_id), bound_to, shown.at)


async def leave_root(poster: Poster, session: DeskSession, root: Root, to: str = "") -> None:
    """Let another card count from now on: in the channel ``to``, or where the rules say."""
    await poster.record_done(session, _gone_id(root.marker), reason=to)
