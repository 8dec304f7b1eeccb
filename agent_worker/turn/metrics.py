"""What a finished turn tells the metrics."""

from __future__ import annotations

from datetime import datetime

from agent_worker.turn.inbound_events import waited
from agent_worker.turn.turn_state import Work, outcome_of
from schemas.ports import Metrics, Record


def published(metrics: Metrics, work: Work) -> None:
    """The time of each stage, which way the turn went, and what it did."""
    channel = work.conversation.origin.channel
    seconds = {stage: milliseconds / 1000 for stage, milliseconds in work.stages.items()}
    metrics.observe_each("parley_turn_seconds", "stage", seconds, channel=channel)
    if work.draft is not None:
        outcome = work.turns[-1].outcome if work.turns else outcome_of(work.draft, work.found)[0]
        route, model = work.route.name, work.draft.model
        metrics.count("parley_turns_total", channel=channel, route=route, outcome=outcome, model=model)
    of_people(metrics, work)
    tenant = work.conversation.origin.tenant
    for record in [] if work.effects is None else work.effects.records:
        metrics.count("parley_actions_total", tenant=tenant, action=record.name, outcome=record.outcome)


def of_people(metrics: Metrics, work: Work) -> None:
    """What people did, as far as it ended in this turn."""
    stretch, origin = work.stretch, work.conversation.origin
    if stretch is None:
        return
    for ended in stretch.ended:
        metrics.count("parley_handoffs_total", tenant=origin.tenant, channel=origin.channel, ended=ended.ended)
        metrics.observe("parley_handoff_seconds", (ended.at - ended.opened_at).total_seconds(), tenant=origin.tenant)
    first = stretch.first_reply
    if first is not None and first.first_reply_at is not None:
        waited_for = (first.first_reply_at - first.opened_at).total_seconds()
        metrics.observe("parley_handoff_first_reply_seconds", waited_for, tenant=origin.tenant)
    for given in stretch.given:
        metrics.count("parley_ratings_total", tenant=origin.tenant, score=str(given.score))


def took(metrics: Metrics, work: Work, first: Record, now: datetime) -> None:
    """What the contact waited, which the stages do not show: the time in the log before them counts too."""
    if work.draft is not None:
        channel = work.conversation.origin.channel
        metrics.observe("parley_turn_seconds", waited(first, now), channel=channel, stage="total")
