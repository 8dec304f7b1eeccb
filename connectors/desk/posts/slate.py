"""What was shown last, of things that change: a card, a mark, a post whose lines were edited.

Outcomes are final, so each state has an outcome of its own, numbered from 0; the last one counts. They are not told on
``parley.events``: a state store that lost them costs one more update of what is shown, which changes nothing."""

from __future__ import annotations

from collections import OrderedDict

from connectors.desk.posts.posted_state import Records
from schemas import ids
from schemas.conversation import Delivered
from schemas.ports import Clock

REMEMBERED = 10_000


class Slate:
    """For one process. What another one wrote meanwhile is found, because looking goes on from what is known here."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def read(self, conversation: str, about: str) -> str:
        """Empty when nothing is on record."""
        number, text = self._last.get(about, (-1, ""))
        while (told := await self._records.outcome(conversation, _id(about, number + 1))) is not None:
            number, text = number + 1, told.reason
        self._keep(about, number, text)
        return text

    async def write(self, conversation: str, about: str, text: str) -> None:
        """Only after ``read``."""
        number = self._last.get(about, (-1, ""))[0] + 1
        outcome = Delivered(message_id=_id(about, number), state="sent", reason=text, at=self._clock())
        await self._records.record(conversation, outcome)
        self._keep(about, number, text)

    def _keep(self, about: str, number: int, text: str) -> None:
        self._last[about] = (number, text)
        self._last.move_to_end(about)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)


def _id(about: str, number: int) -> str:
    return ids.derived_id(about, "slate", number)
