"""Until when people should have answered, and what is said when they have not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from connectors.desk.rules import DeskRules
from connectors.desk.view import View
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.render_card import window_closes
from schemas import ids

SOON = timedelta(hours=2)
"""How long before a window for answers closes the thread hears of it."""
ESCALATED = "escalated at the desk"
"""Reason of an owner's change by which somebody asks others for help."""
Kind = Literal["remind", "late", "escalate", "closing", "closed"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Said once about one wait: ``about`` is what makes it another one. ``elsewhere``: a channel that is not the
    thread's; it is to be led to the thread."""

    kind: Kind
    text: str
    about: str
    since: datetime
    elsewhere: str = ""

    def marker(self, conversation: str) -> str:
        return ids.derived_id(conversation, f"desk-{self.kind}-{self.about}")


def due(view: View, rules: DeskRules) -> tuple[datetime, datetime] | None:
    """When the thread is reminded, and when it is too late. None: nobody waits, or there is no limit."""
    since = view.waits_since
    first = view.handoff is None or view.handoff.first_reply_at is None
    limit = rules.times.first_reply if first else rules.times.next_reply
    if since is None or limit is None:
        return None
    return _after(rules, since, limit * rules.times.remind), _after(rules, since, limit)


def _after(rules: DeskRules, since: datetime, worked: timedelta) -> datetime:
    return since + worked if rules.hours is None else rules.hours.due(since, worked)


def notices(view: View, rules: DeskRules) -> Iterator[Notice]:
    """What should have been said by now; of a reminder and the limit itself only the later."""
    since, holder = view.waits_since, view.conversation.holder
    is_escalated = holder is not None and holder.reason == ESCALATED and view.conversation.owner == "queue"
    if holder is not None and is_escalated and rules.times.escalate_to:
        yield _escalation(rules, holder.since, "A colleague asks for help with a conversation")
    if since is None:
        return
    if (times := due(view, rules)) is not None:
        remind, late = times
        waiting = kit.moment(since, after="waits since")
        if view.at >= late:
            yield Notice("late", f"⏰ *The customer should have had an answer by now*: {waiting}", *_of(since))
            if rules.times.escalate_to:
                said = f"A customer waits for an answer {kit.moment(since, after='since')}, longer than agreed"
                yield _escalation(rules, since, said)
        elif view.at >= remind:
            until = f"The customer {waiting}: {kit.moment(late, after='please answer until')}"
            yield Notice("remind", f"⏰ {until}", *_of(since))
    yield from _windows(view, rules, since)


def _of(since: datetime) -> tuple[str, datetime]:
    return since.isoformat(), since


def _escalation(rules: DeskRules, since: datetime, said: str) -> Notice:
    called = f"<!{rules.times.mention}> " if rules.times.mention else ""
    return Notice("escalate", f"{called}🚨 {said}", *_of(since), elsewhere=rules.times.escalate_to)


def _windows(view: View, rules: DeskRules, since: datetime) -> Iterator[Notice]:
    closes = window_closes(view, rules)
    if closes is None:
        return
    if view.at >= closes:
        text = "⌛ *The channel's window for answers has closed.* Replies arrive only as a template, if one is set up"
        yield Notice("closed", text, *_of(closes))
    elif view.at >= closes - SOON:
        yield Notice(
            "closing", f"⌛ The channel's window for answers {kit.moment(closes, after='closes')}", *_of(closes)
        )
