"""Outcomes of the conversations of a period: resolved by the agent alone and for good, or passed to people; after which
wait, at which cost, and how contacts rated it.

A conversation counts once, by all its cases that began in the period.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import Field

from agent_worker.learning.insights.cases import RETURN_WINDOW, Case, find_cases
from agent_worker.learning.insights.report import InsightModel
from agent_worker.learning.insights.timeline import Timeline
from schemas.conversation import Turn

Dimension = Literal["channel", "route", "model", "intent"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
Figure = Literal["conversations", "autonomous", "durable", "provisional", "handed_off", "reopened", "rated"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
Share = Annotated[float, Field(ge=0, le=1)]
TOTAL = "total"
"""The key of the row of all conversations."""
NONE = "none"
"""The key of conversations without such a value, such as those that no model answered."""
SATISFIED = 4
"""From this score on a rating says that the contact is satisfied."""
_DETAIL = re.compile(r"\([^()]{0,80}\)|(?<!above )(?<![.,])\b\d{1,12}(?:[.,]\d{1,12})?\s?%?\s?")
_MAX_READ, _MAX_REASON = 400, 80


@dataclass(frozen=True, slots=True)
class ConversationOutcome:
    """What became of one conversation. ``at``: when its last case began. ``model``, ``route`` and ``intent``: of the
    turn that concluded it. ``provisional``: durable so far, but the contact may still come back within a week.
    ``waits``: milliseconds from the first message of each case to the first reply. ``by_agent`` and ``by_people``:
    whether the contact was satisfied, once for each thumb or score."""

    id: str
    channel: str
    at: datetime
    route: str = ""
    model: str = ""
    intent: str = ""
    autonomous: bool = False
    durable: bool = False
    provisional: bool = False
    handed_off: bool = False
    reopened: bool = False
    waits: tuple[int, ...] = ()
    cost: float = 0.0
    by_agent: tuple[bool, ...] = ()
    by_people: tuple[bool, ...] = ()
    handoff_reasons: tuple[str, ...] = ()

    def has(self, figure: Figure) -> bool:
        """True if it is counted in this figure."""
        if figure == "conversations":
            return True
        return bool(self.by_agent or self.by_people) if figure == "rated" else bool(getattr(self, figure))

    def key(self, dimension: Dimension) -> str:
        return str(getattr(self, dimension)) or NONE


class OutcomeRow(InsightModel):
    """The figures of the conversations with this channel, route, model or intent. ``durable``: resolved by the agent
    alone, and the contact did not come back within seven days; of ``provisional`` ones the seven days are not over.
    ``first_reply_ms`` is the median. ``cost``: of all of them, in US dollars. ``csat``: the share of thumbs up and of
    scores of 4 and 5. None: there is nothing to count."""

    key: str
    conversations: int
    autonomous: int
    durable: int
    provisional: int
    handed_off: int
    reopened: int
    first_reply_ms: int | None
    cost: float
    cost_per_durable: float | None
    csat: Share | None
    csat_agent: Share | None
    csat_people: Share | None
    rated: int


class HandoffReason(InsightModel):
    """``conversations``: how many were passed to people for this reason."""

    reason: str
    conversations: int


def assess(timeline: Timeline, since: datetime, until: datetime, now: datetime) -> ConversationOutcome | None:
    """What became of the conversation; None if no case began in the period."""
    every = find_cases(timeline)
    cases = [case for case in every if since <= case.started_at < until]
    if not cases:
        return None
    decided = [case for case in cases if case.concluding_turn is not None or case.with_people]
    turns = [turn for case in cases for turn in case.turns]
    concluding = next((turn for case in reversed(cases) if (turn := case.concluding_turn) is not None), None)
    autonomous = bool(decided) and all(case.is_autonomous(timeline) for case in decided)
    reopened = any(case.reopened_by is not None for case in cases)
    durable = autonomous and not reopened
    by_agent, by_people = _read_ratings(timeline, every, cases)
    return ConversationOutcome(
        id=timeline.id,
        channel=timeline.channel,
        at=cases[-1].started_at,
        route="" if concluding is None else concluding.route,
        model=_last_value([*turns, *filter(None, [concluding])], lambda turn: turn.model),
        intent=_last_value([*turns, *filter(None, [concluding])], lambda turn: turn.intent),
        autonomous=autonomous,
        durable=durable,
        provisional=durable and now < cases[-1].last_at + RETURN_WINDOW,
        handed_off=any(case.with_people for case in cases),
        reopened=reopened,
        waits=tuple(wait for case in cases if (wait := _measure_wait(case)) is not None),
        cost=sum(turn.cost for turn in turns),
        by_agent=by_agent,
        by_people=by_people,
        handoff_reasons=tuple(dict.fromkeys(shorten_reason(each.reason) for case in cases for each in case.handoffs)),
    )


def build_rows(outcomes: Iterable[ConversationOutcome], by: Dimension) -> list[OutcomeRow]:
    """One row for each key, the largest first."""
    groups: Mapping[str, list[ConversationOutcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.key(by)].append(outcome)
    rows = [build_row(key, group) for key, group in groups.items()]
    return sorted(rows, key=lambda row: (-row.conversations, row.key))


def build_row(key: str, outcomes: Sequence[ConversationOutcome]) -> OutcomeRow:
    waits = [wait for outcome in outcomes for wait in outcome.waits]
    cost = sum(outcome.cost for outcome in outcomes)
    durable = sum(outcome.durable for outcome in outcomes)
    by_agent = [each for outcome in outcomes for each in outcome.by_agent]
    by_people = [each for outcome in outcomes for each in outcome.by_people]
    return OutcomeRow(
        key=key,
        conversations=len(outcomes),
        autonomous=sum(outcome.autonomous for outcome in outcomes),
        durable=durable,
        provisional=sum(outcome.provisional for outcome in outcomes),
        handed_off=sum(outcome.handed_off for outcome in outcomes),
        reopened=sum(outcome.reopened for outcome in outcomes),
        first_reply_ms=round(statistics.median(waits)) if waits else None,
        cost=round(cost, 6),
        cost_per_durable=round(cost / durable, 6) if durable else None,
        csat=_share(by_agent + by_people),
        csat_agent=_share(by_agent),
        csat_people=_share(by_people),
        rated=sum(outcome.has("rated") for outcome in outcomes),
    )


def list_handoff_reasons(outcomes: Iterable[ConversationOutcome]) -> list[HandoffReason]:
    """The most frequent reason first."""
    counts: dict[str, int] = defaultdict(int)
    for outcome in outcomes:
        for reason in outcome.handoff_reasons:
            counts[reason] += 1
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [HandoffReason(reason=reason, conversations=count) for reason, count in ordered]


def shorten_reason(reason: str) -> str:
    """Return the reason of a handoff without the figures and names that differ from one conversation to the next.
    Amounts above which people must approve are the tenant's, and stay."""
    first = reason[:_MAX_READ].partition(";")[0].partition(":“")[0].partition(": “")[0]
    plain = " ".join(_DETAIL.sub(" ", first).split())[:_MAX_REASON]
    return plain or "no reason given"


def _measure_wait(case: Case) -> int | None:
    """Milliseconds from the first message to the first reply, as far as known. The clocks of a vendor and a worker may
    differ."""
    if case.replied_at is None or case.messages[0].is_gone:
        return None
    return max(0, round((case.replied_at - case.started_at).total_seconds() * 1000))


def _last_value(turns: Sequence[Turn], read: Callable[[Turn], str]) -> str:
    return next((value for turn in reversed(turns) if (value := read(turn))), "")


def _read_ratings(
    timeline: Timeline, every: Sequence[Case], counted: Sequence[Case]
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Whether the contact was satisfied with the agent, and with people. A thumb belongs to the case of its reply, a
    score to the case before it."""
    turn_of = {reply.id: turn for case in every for turn in case.turns for reply in turn.replies}
    turns = {turn.id for case in counted for turn in case.turns}
    by_person = timeline.list_person_messages() if timeline.thumbs else set()
    by_agent: list[bool] = []
    by_people: list[bool] = []
    for (message, _), thumb in timeline.thumbs.items():
        turn = turn_of.get(message)
        if thumb.value == "none":
            continue
        if turn is not None:
            if turn.id in turns:
                by_agent.append(thumb.value == "up")
        elif message in by_person and _was_counted(every, counted, thumb.at):
            by_people.append(thumb.value == "up")
    by_people += [each.score >= SATISFIED for each in timeline.ratings if _was_counted(every, counted, each.at)]
    return tuple(by_agent), tuple(by_people)


def _was_counted(every: Sequence[Case], counted: Sequence[Case], at: datetime) -> bool:
    """True if the case of that time is among those that count."""
    case = next((case for case in reversed(every) if case.started_at <= at), None)
    return any(case is each for each in counted)


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
