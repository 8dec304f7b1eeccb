"""Questions that wait until the tenant's documents are read: at the first start, or again after an upgrade.

What is surely answered is answered at once. Any other question would be declined only because the right document is not
searchable yet, so its records are parked, and looked at again until they are, or until it has waited too long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from agent_worker.actions.execution.turn_actions import TurnActions
from agent_worker.actions.slot_filling.action_matching import match_action
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.nlu.classification import topics_in
from agent_worker.reading.retrieval import Query, Retrieval
from agent_worker.router.decision import Route, gravest_risk
from agent_worker.turn.envelopes import build_outbound
from agent_worker.turn.values import TurnInput
from schemas.conversation import AwaitedDocuments
from schemas.errors import Parked
from schemas.ids import derived_id
from schemas.messages import Author, OutboundMessage

LONGEST_WAIT = timedelta(minutes=10)
"""After this time a question is answered from what there is."""
UNREAD = "the documents could not be read in time"
UNREAD_ROUTE = Route("person", (), (UNREAD,))
_QUIET: Mapping[str, timedelta] = {"web": timedelta(seconds=2)}
_OTHERS_QUIET = timedelta(seconds=10)
"""Time before the contact is asked for patience: later where a message rings a phone."""
_LEAST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=15)
"""Between two looks. A contact who asks for a person meanwhile waits as long."""


class DocumentsUnread(Exception):
    """Raised by a turn whose answer may depend on documents that are not searchable yet."""


def is_awaited(turn: TurnInput, actions: TurnActions | None, query: Query, retrieval: Retrieval) -> bool:
    """Return whether more documents could change the reply: the search was not up to date and did not surely answer.
    Small talk, requests for a person or an action, and risks do not depend on them."""
    found = [part.search_result for part in retrieval.parts] or [retrieval.search_result]
    if not retrieval.search_result.stale or retrieval.is_picked or all(one.answerable for one in found):
        return False
    text, offers = query.text, () if actions is None else actions.offers()
    if not text.strip() or turn.intake.non_text or (actions is not None and actions.effects.memory.filling):
        return False
    if classify_small_talk(text, turn.history, locale=turn.locale) or "person" in topics_in(text, turn.locale):
        return False
    return gravest_risk(turn.rules.routes, text) is None and match_action(text, offers) is None


@dataclass(frozen=True, slots=True)
class Wait:
    """One look at a question that waits: ``facts`` to store, with the ``notice`` to send, and when to look again."""

    facts: AwaitedDocuments
    notice: OutboundMessage | None
    parked: Parked


def plan_wait(turn: TurnInput) -> Wait:
    """Plan the wait of a turn that was loaded just now. The contact is asked for patience once."""
    now, newest = turn.loaded_at, turn.newest.id
    before = turn.awaited or AwaitedDocuments(since=now, message=newest)
    waited = now - before.since
    is_due = not before.announced and waited >= _QUIET.get(turn.conversation.origin.channel, _OTHERS_QUIET)
    notice = None
    if is_due:
        notice = build_outbound(
            turn.conversation,
            id=derived_id(before.message, "documents"),
            author=Author(kind="agent", name=turn.rules.voice.name),
            text=turn.voice.reading_documents,
            now=now,
        )
    facts = AwaitedDocuments(since=before.since, message=newest, announced=before.announced or is_due)
    pause = min(max(waited / 4, _LEAST_PAUSE), _LONGEST_PAUSE)
    return Wait(facts, notice, Parked("the documents are being read", until=now + pause))
