"""The cases of a conversation: a case begins when the contact writes, and is over when it is resolved.

A conversation may last for years, because it is the contact's place on a channel. Cases are counted in the period in
which they began, so the figures of a past period change only by what contacts do about it later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent_worker.learning.insights.timeline import ContactMessage, PersonMessage, Timeline, outcome_of
from schemas.conversation import Owner, OwnerChanged, Turn
from schemas.handoff.rules import PEOPLE

RETURN_WINDOW = timedelta(days=7)
"""A contact who comes back within this time reopens the case."""
QUIET = timedelta(hours=1)
"""After an answer that helped and this much silence, the case counts as resolved."""

_Entry = ContactMessage | Turn | OwnerChanged | PersonMessage
_RANKS: dict[type, int] = {ContactMessage: 0, Turn: 1, OwnerChanged: 2, PersonMessage: 3}


@dataclass(slots=True)
class Case:
    """``last_at``: when something other than small talk last happened. ``replied_at``: the first reply, by the agent or
    a person. ``handoffs``: why it was passed to people. ``reopened_by``: the message with which the contact came back
    within a week after it was over."""

    started_at: datetime
    last_at: datetime
    messages: list[ContactMessage] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    replies: list[PersonMessage] = field(default_factory=list)
    handoffs: list[OwnerChanged] = field(default_factory=list)
    replied_at: datetime | None = None
    owner: Owner = "agent"
    with_people: bool = False
    reopened_by: ContactMessage | None = None

    @property
    def concluding_turn(self) -> Turn | None:
        """The last turn that was more than small talk."""
        return next((turn for turn in reversed(self.turns) if outcome_of(turn) != "small_talk"), None)

    def is_autonomous(self, timeline: Timeline) -> bool:
        """True if the agent resolved it alone."""
        turn = self.concluding_turn
        return not self.with_people and turn is not None and timeline.has_helped(turn)

    def is_over(self, timeline: Timeline, at: datetime) -> bool:
        """True if nobody had to do anything any more by then."""
        if self.owner == "closed":
            return True
        turn = self.concluding_turn
        helped = turn is not None and timeline.has_helped(turn)
        return helped and self.owner not in PEOPLE and at - self.last_at >= QUIET


def find_cases(timeline: Timeline) -> list[Case]:
    """The cases of the conversation, in order."""
    small_talk = {id for turn in timeline.turns if outcome_of(turn) == "small_talk" for id in turn.handled}
    cases: list[Case] = []
    for at, entry in _iterate_entries(timeline):
        is_small_talk = isinstance(entry, ContactMessage) and entry.id in small_talk
        if isinstance(entry, ContactMessage) and _begins_case(timeline, cases, entry, is_small_talk=is_small_talk):
            owner = cases[-1].owner if cases and cases[-1].owner in PEOPLE else "agent"
            cases.append(Case(at, at, owner=owner, with_people=owner in PEOPLE))
        if cases:
            _apply(timeline, cases[-1], at, entry, is_small_talk=is_small_talk)
    return cases


def _begins_case(timeline: Timeline, cases: list[Case], message: ContactMessage, *, is_small_talk: bool) -> bool:
    if not cases:
        return True
    current = cases[-1]
    is_late = message.at - current.last_at >= RETURN_WINDOW
    if is_late or is_small_talk:
        return is_late
    if current.is_over(timeline, message.at):
        current.reopened_by = message
        return True
    return False


def _apply(timeline: Timeline, case: Case, at: datetime, entry: _Entry, *, is_small_talk: bool) -> None:
    if isinstance(entry, ContactMessage):
        case.messages.append(entry)
    elif isinstance(entry, Turn):
        case.turns.append(entry)
        is_small_talk = outcome_of(entry) == "small_talk"
        if entry.replies:
            case.replied_at = case.replied_at or _seen_at(timeline, entry)
    elif isinstance(entry, PersonMessage):
        case.replies.append(entry)
        case.with_people = True
        case.replied_at = case.replied_at or at
    else:
        _apply_owner(case, entry)
    if not is_small_talk:
        case.last_at = max(case.last_at, at)


def _apply_owner(case: Case, change: OwnerChanged) -> None:
    if change.owner in PEOPLE:
        if case.owner not in PEOPLE:
            case.handoffs.append(change)
        case.with_people = True
    case.owner = change.owner


def _seen_at(timeline: Timeline, turn: Turn) -> datetime:
    """When the contact could see the first reply of the turn."""
    reply = turn.replies[0]
    delivery = timeline.deliveries.get(reply.id)
    return delivery.at if delivery is not None and delivery.state == "sent" else reply.created_at


def _iterate_entries(timeline: Timeline) -> Iterator[tuple[datetime, _Entry]]:
    """Everything that happened, in order. Ratings are no part of a case: they are about it."""
    entries: list[tuple[datetime, _Entry]] = []
    entries += [(each.at, each) for each in timeline.messages.values() if not each.is_rating]
    for turn in timeline.turns:
        entries.append((turn.at, turn))
        if turn.handled and timeline.messages.keys().isdisjoint(turn.handled):
            # The log keeps turns longer than messages.
            entries.append((turn.at, ContactMessage(turn.handled[0], turn.at, "", is_gone=True)))
    entries += [(each.at, each) for each in timeline.owners]
    entries += [(each.at, each) for each in timeline.people.values()]
    entries.sort(key=lambda each: (each[0], _RANKS[type(each[1])]))
    yield from entries
