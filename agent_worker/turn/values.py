"""The values that flow through a turn: its input, and what its stages return. Its result is in ``result``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from agent_worker.actions.execution.effects import Effects
from agent_worker.handoff.cancel_handoff import ASSISTANT, wants_assistant
from agent_worker.handoff.handoff_period import HandoffContext
from agent_worker.nlu.classification import topics_in
from agent_worker.nlu.language_detection import detect_language
from agent_worker.reading.suggestions import Selection, find_selection
from agent_worker.router.decision import Route
from agent_worker.settings import TenantRules
from agent_worker.turn.envelopes import TurnEnvelopes
from agent_worker.turn.intake import Intake
from agent_worker.voice import Voice, translate_voice
from schemas.conversation import Conversation, DocumentWait
from schemas.desk import DraftGenerated
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.ports import AnswerDraft, SearchResult
from schemas.runtime.fair_rotation import Party

EMPTY_RESULT = SearchResult(passages=[], answerable=False, confidence=0.0)
LOCAL_ROUTE = Route("local", ("local",), ())


@dataclass(frozen=True)
class TurnInput:
    """The input of a turn. A turn that restarts gets a new one.

    ``token`` fences the commit. ``history``: the earlier transcript, without the waiting messages. ``handoff``: what
    people do in these events; None where they have no part. ``read_at``: see ``Fold``. ``party``: by this, searches
    take turns."""

    id: str
    rules: TenantRules
    conversation: Conversation
    token: int
    intake: Intake
    chain: TurnEnvelopes
    loaded_at: datetime
    read_at: float
    party: Party | None = None
    history: Sequence[TranscriptMessage] = ()
    handoff: HandoffContext | None = None

    @cached_property
    def locale(self) -> str:
        """The language that the contact writes in: that of the messages, of the conversation, of the contact's device,
        or of the tenant."""
        facts = self.conversation.facts
        filling = facts.actions.filling if facts.actions is not None else None
        known = (filling.locale if filling is not None else "") or facts.locale
        of_device = [message.locale for message in self.intake.waiting.values() if message.locale]
        default = of_device[-1] if of_device else self.rules.voice.locale
        # A suggestion's label is in the document's language.
        return detect_language("" if self.selection else self.intake.text, known, default)

    @cached_property
    def voice(self) -> Voice:
        return translate_voice(self.rules.voice, self.locale)

    @cached_property
    def selection(self) -> Selection | None:
        """The suggestion that the contact picked, if the only waiting message does so."""
        waiting = list(self.intake.waiting.values())
        return find_selection(waiting[0], self.history) if len(waiting) == 1 else None

    @property
    def document_wait(self) -> DocumentWait | None:
        """The wait of the messages for documents, if it has begun."""
        wait = self.conversation.facts.document_wait
        return wait if wait is not None and wait.message in self.intake.waiting else None

    @property
    def must_answer(self) -> bool:
        return bool(self.intake.waiting) and self.conversation.owner == "agent"

    @cached_property
    def may_act(self) -> bool:
        """True if there may be actions to do or to settle. The built-in ones count only where somebody asks for them,
        so that turns of tenants without actions stay as short as they can be."""
        actions = self.rules.actions.actions.values()
        if self.intake.action_updates or self.conversation.facts.actions is not None:
            return True
        if any(not action.topic for action in actions):
            return True
        return bool(actions) and not topics_in(self.intake.text).keys().isdisjoint(each.topic for each in actions)

    @property
    def must_respond(self) -> bool:
        """True if the turn has to do more than record the events."""
        memory = self.conversation.facts.actions
        expired = memory is not None and any(approval.expires_at <= self.loaded_at for approval in memory.approvals)
        # After a handoff, an earlier attempt of the turn may have left an action begun and not reported.
        may_have_begun = bool(self.intake.waiting) and self.rules.actions.may_have_begun(memory)
        asked_by_people = self.handoff is not None and bool(self.handoff.period.draft_requests)
        return self.must_answer or may_have_begun or bool(self.intake.action_updates) or expired or asked_by_people

    @property
    def wants_assistant(self) -> bool:
        """True if the contact only asks to return to the assistant."""
        waiting = self.intake.waiting.values()
        if self.handoff is None or not waiting:
            return False
        picked = all(message.choice is not None and message.choice.id == ASSISTANT for message in waiting)
        choices, returned = self.handoff.choices, self.handoff.period.ending == "returned"
        return picked or (returned and all(wants_assistant(message, choices) for message in waiting))

    @property
    def newest(self) -> InboundMessage:
        """The last of the waiting messages."""
        return list(self.intake.waiting.values())[-1]


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to the waiting messages, with its route and search result. ``draft`` is None if the contact gets no
    reply. ``local_only``: no paid model was used, because the contact is over its limit."""

    draft: AnswerDraft | None = None
    route: Route = LOCAL_ROUTE
    search_result: SearchResult = EMPTY_RESULT
    local_only: bool = False


@dataclass(frozen=True, slots=True)
class HandoffRequest:
    """A request for people to take over. ``summary`` is for them; ``wait_notice`` tells the contact how long it may
    take, empty where nothing is known. ``reach_at``: addresses that the contact has just written. ``waiting``: others
    who wait. ``tokens`` and ``cost`` of writing the summary."""

    reason: str
    summary: Sequence[str]
    wait_notice: str = ""
    reach_at: Sequence[str] = ()
    waiting: int = 0
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Response:
    """Everything that a turn produces. ``effects`` of its actions are None if the tenant has no actions.
    ``suggestions``: drafts that people asked for."""

    reply: Reply = Reply()
    effects: Effects | None = None
    suggestions: Sequence[DraftGenerated] = ()
    handoff_request: HandoffRequest | None = None
