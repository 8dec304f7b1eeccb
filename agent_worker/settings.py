"""What the worker is told by whoever composes it: plain values, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent_worker.actions.spec import Action
from agent_worker.handoff.terms import DeskTerms
from agent_worker.router.rules import RouteRules


@dataclass(frozen=True, slots=True)
class FoldRules:
    """``quiet`` is seconds to wait for more messages, by channel; ``others`` for the rest. ``longest`` seconds after
    the first waiting message, or after ``restarts`` restarts, later arrivals wait for the next turn."""

    quiet: Mapping[str, float] = field(default_factory=lambda: {"web": 0.3})
    others: float = 1.2
    longest: float = 15.0
    restarts: int = 2

    def quiet_for(self, channel: str) -> float:
        return self.quiet.get(channel, self.others)


@dataclass(frozen=True, slots=True)
class Example:
    """How this tenant would answer a message."""

    message: str
    answer: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The agent's name and set phrases, in the tenant's own words; ``rating_scale`` from the worst to the best of five.
    ``{wait}``, ``{opens}`` and ``{said}`` stand for what is known then. ``instructions`` and ``examples`` tell remote
    models how to write, by language ("de", "pt-br"; the empty name is for all others)."""

    name: str = "Assistant"
    locale: str = "en"
    not_found: str = (
        "I could not find that in our documents, and I do not want to guess. Shall I pass you to a colleague?"
    )
    handoff: str = "A colleague will take over here as soon as possible."
    expected_wait: str = "You will usually hear from somebody within {wait}."
    closed: str = "Nobody is here at the moment. You will hear from us here."
    closed_until: str = "Nobody is here at the moment. We are back {opens}."
    assistant_choice: str = "Go on with the assistant"
    go_on: str = "All right, I am here again. What can I help with?"
    colleague_wrote: str = "A colleague wrote here: “{said}”"
    rating_ask: str = "How was our help?"
    rating_scale: Sequence[str] = ("Very bad", "Bad", "Okay", "Good", "Very good")
    rating_thanks: str = "Thank you for telling us!"
    failed: str = "Something went wrong on our side. A colleague will look at your message."
    greeting: str = "Hello! What can I help you with?"
    thanks: str = "You are welcome! Is there anything else I can help with?"
    goodbye: str = "Thank you for writing. Goodbye!"
    person_choice: str = "Talk to a person"
    voice_note: str = "I cannot listen to voice messages. Could you write to me instead?"
    file: str = "I have your file, but I cannot look into it. What would you like to know?"
    file_missing: str = "Your file did not reach me. Could you send it again, or write what it is about?"
    unsupported: str = "I cannot read this kind of message. Could you write to me instead?"
    too_many: str = "You have sent many messages in a short time. Please give me a little while before you write again."
    confirm: str = "Shall I go ahead?"
    confirm_yes: str = "Yes, go ahead"
    confirm_no: str = "No, leave it"
    confirm_again: str = "You wrote something after your yes, so I ask once more."
    confirm_expired: str = "That took a while, so I ask once more."
    confirm_gone: str = "That question is not open any more, so I did nothing now."
    declined: str = "All right, I left it as it is."
    done: str = "Done."
    refused: str = "I cannot do that."
    not_done: str = "That did not work, and nothing was changed."
    unclear: str = "I got no answer whether this went through. I am checking, and you will hear from me here."
    still_unclear: str = "It is not known yet whether that went through before, so I do not do it again now."
    unclear_still: str = "I could not find out whether this went through. A colleague will check, and tell you here."
    needs_identity: str = "For this I must be sure who you are."
    limit_reached: str = "That is more often than I may do it in a day. A colleague can help."
    approval_asked: str = "A colleague has to approve this. I have asked, and you will hear here."
    approval_denied: str = "A colleague looked at this and did not approve it. Nothing was changed."
    approval_expired: str = "Nobody approved this in time, so nothing was changed."
    wait: str = (
        "I cannot look into this right now. Please ask again in a few minutes, or shall I pass you to a colleague?"
    )
    instructions: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """Of one tenant. What one turn may take; and what a contact and the tenant may take a day (UTC), 0 being without
    bound. Costs in US dollars."""

    turn_tokens: int = 400_000
    turn_cost: float = 1.0
    turn_steps: int = 6
    turn_seconds: float = 90.0
    contact_tokens_a_day: int = 2_000_000
    contact_cost_a_day: float = 5.0
    tokens_a_day: int = 0
    cost_a_day: float = 0.0


@dataclass(frozen=True, slots=True)
class ActionRules:
    """``actions`` by name, with ``settings`` for all of them. ``confirmation`` and ``approval``: seconds for which
    these questions stay open; ``settle``: seconds after an action's deadline before anybody looks what came of it."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    confirmation: float = 600.0
    approval: float = 86_400.0
    settle: float = 30.0
    timezone: str = "UTC"

    def today(self, now: datetime) -> date:
        """The day on which the tenant is, by which "tomorrow" is reckoned."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    @property
    def writing(self) -> bool:
        """Whether any of them changes something."""
        return any(action.writes for action in self.actions.values())


class Span(NamedTuple):
    """So many messages in so many seconds."""

    seconds: int
    most: int


@dataclass(frozen=True, slots=True)
class ContactRules:
    """For how many messages of one contact models are asked."""

    per_minute: int = 30
    per_hour: int = 300

    @property
    def spans(self) -> tuple[Span, ...]:
        return Span(60, self.per_minute), Span(3600, self.per_hour)


@dataclass(frozen=True, slots=True)
class TenantRules:
    """``answerable_above`` is the confidence (0–1) from which the documents count as holding the answer;
    ``turns_at_once`` how many turns of the tenant this process may work on at the same time; ``models`` go before
    ``model`` for messages of their language. ``desk`` is None where people work in the console alone."""

    voice: Voice = Voice()
    fold: FoldRules = field(default_factory=FoldRules)
    answerable_above: float = 0.5
    turns_at_once: int = 2000
    model: str = "local"
    models: Mapping[str, str] = field(default_factory=dict)
    budgets: BudgetRules = BudgetRules()
    routes: RouteRules = field(default_factory=RouteRules)
    actions: ActionRules = field(default_factory=ActionRules)
    contact: ContactRules = ContactRules()
    desk: DeskTerms | None = None

    @property
    def asks_models(self) -> bool:
        """Whether an answer may cost anything."""
        return bool({self.model, *self.models.values(), self.routes.cheap, self.routes.strong} - {"local", ""})

    def frugal(self) -> TenantRules:
        """The same, but that nobody is asked who costs anything."""
        return replace(self, model="local", models={}, routes=replace(self.routes, cheap="", strong=""))


_UNKNOWN = TenantRules()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``streaming`` names the channels that show text while it is written, ``hinted`` those whose vendors show that an
    answer is being written; ``announced`` those where connectors show the text, and are told that a reply begins."""

    tenants: Mapping[str, TenantRules]
    streaming: frozenset[str] = frozenset({"web"})
    hinted: frozenset[str] = frozenset()
    announced: frozenset[str] = frozenset()

    def of(self, tenant: str) -> TenantRules:
        """The tenant's rules; defaults for one that is no longer configured, whose records must still be handled."""
        return self.tenants.get(tenant, _UNKNOWN)
