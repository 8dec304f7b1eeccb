"""Conversations of cases, held with a worker on a log of its own that is thrown away afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agent_worker.actions.spec import Action
from agent_worker.learning.evals.answers import ObservedAnswer, ObservedConversation
from agent_worker.learning.evals.suite import Case, CaseTurn
from agent_worker.worker import Worker
from gateway.evals.trial_context import Trial, run_trial
from schemas import topics
from schemas.conversation import Origin, Turn
from schemas.envelope import Envelope, envelope
from schemas.errors import InvalidRequest
from schemas.ids import event_id
from schemas.messages import Address, Author, ChoiceSelection, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Bus, Position, Record, State

ACCOUNT = "main"
BETWEEN_MESSAGES = timedelta(seconds=30)
WriteMessage = Callable[[Case, Sequence[ObservedAnswer]], Awaitable[str]]
"""Writes the next message of a simulated customer; empty when they have what they want, or give up."""


class TrialLog:
    """The log, and a note of each turn and each message to a contact on it, by conversation."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.turns: dict[str, list[Turn]] = defaultdict(list)
        self.sent: dict[str, list[OutboundMessage]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        """See Bus."""
        positions = await self._bus.append(envelopes, topic=topic)
        for event in envelopes:
            if event.type == topics.TURN_COMPLETED:
                self.turns[event.conversation].append(event.payload(Turn))
            elif event.type == topics.MESSAGE_SEND and (message := event.payload(OutboundMessage)).purpose != "desk":
                self.sent[event.conversation].append(message)
        return positions


class _OneBatch:
    """Implements Batch for records to which nothing is added."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.conversation = records[0].key
        self.attempt = 1
        self.records = list(records)
        self.arrived, self.backlog, self.revoking = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        """Nothing arrives."""

    def take_more(self) -> list[Record]:
        return []


@dataclass(frozen=True, slots=True)
class TrialRunner:
    """Holds the conversations of cases. ``asks_models``: answers may come from a model elsewhere."""

    tenant: str
    log: TrialLog
    state: State
    worker: Worker
    actions: Mapping[str, Action]
    asks_models: bool
    write_message: WriteMessage | None = None

    @property
    def waits_for_models(self) -> bool:
        return self.asks_models or self.write_message is not None

    async def warm_up(self) -> None:
        """Load what is loaded on first use, so that no case is timed with it."""
        await self.hold(Case(name="warm-up", message="Is anything known about this?"), "warm-up")

    async def hold(self, case: Case, number: str) -> ObservedConversation:
        """Hold one conversation, under a place that no other one has."""
        with run_trial(case) as trial:
            conversation = await _TrialConversation.begin(self, case, trial, number)
            for turn in case.script:
                try:
                    await conversation.say(turn)
                except InvalidRequest as error:
                    conversation.observed.problem = error.message
                    break
            if case.customer is not None and self.write_message is not None:
                for _ in range(case.customer.turns):
                    text = await self.write_message(case, conversation.observed.answers)
                    if not text or conversation.is_over:
                        break
                    await conversation.say(CaseTurn(message=text))
        conversation.observed.not_recorded.extend(trial.not_recorded)
        return conversation.observed


@dataclass(slots=True)
class _TrialConversation:
    runner: TrialRunner
    case: Case
    trial: Trial
    origin: Origin
    id: str
    observed: ObservedConversation = field(default_factory=ObservedConversation)

    @classmethod
    async def begin(cls, runner: TrialRunner, case: Case, trial: Trial, number: str) -> _TrialConversation:
        channel, place = case.channel, f"case-{number}"
        # A contact of its own, so that no limit on what a contact may do counts across cases.
        addresses = [Address(channel=channel, value=place, assurance=case.assurance)]
        contact, id = await runner.state.contacts.resolve(
            runner.tenant, channel, ACCOUNT, place, addresses, now=trial.now
        )
        origin = Origin(tenant=runner.tenant, channel=channel, account=ACCOUNT, place=place, contact_id=contact.id)
        return cls(runner, case, trial, origin, id)

    @property
    def is_over(self) -> bool:
        return any(answer.handed_over for answer in self.observed.answers)

    async def say(self, turn: CaseTurn) -> None:
        """Send a message of the contact, and note what follows."""
        log = self.runner.log
        message = self._build_message(turn)
        known, sent = len(log.turns[self.id]), len(log.sent[self.id])
        began = time.perf_counter()
        await self._handle(message)
        took = (time.perf_counter() - began) * 1000
        self.observed.answers.append(await self._observe(message.text, log.turns[self.id][known:], took))
        for each in log.sent[self.id][sent:]:
            await self.runner.state.transcript.add(self.id, TranscriptMessage.of_outbound(each, "sent"))
        self.trial.advance(BETWEEN_MESSAGES)

    async def _handle(self, message: InboundMessage) -> None:
        about = {"tenant": self.origin.tenant, "channel": self.origin.channel, "account": ACCOUNT}
        event = envelope(
            topics.MESSAGE_RECEIVED,
            message,
            id=message.id,
            time=self.trial.now,
            source="parley/eval",
            conversation=self.id,
            **about,
        )
        (position,) = await self.runner.log.append([event])
        record = Record(
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            key=self.id,
            timestamp_ms=int(self.trial.now.timestamp() * 1000),
            headers=dict(event.headers()),
            value=event.data,
        )
        await self.runner.worker.handle(_OneBatch([record]))

    def _build_message(self, turn: CaseTurn) -> InboundMessage:
        name = f"m{len(self.observed.answers) + 1}"
        choice = self._find_choice(turn.picks) if turn.picks else None
        origin = self.origin
        return InboundMessage(
            id=event_id(origin.tenant, origin.channel, ACCOUNT, origin.place, name, "message"),
            external_id=name,
            place=origin.place,
            contact_id=origin.contact_id,
            author=Author(kind="contact"),
            text=turn.message if choice is None else choice[0],
            choice=None if choice is None else choice[1],
            locale=self.case.locale,
            sent_at=self.trial.now,
        )

    def _find_choice(self, wanted: str) -> tuple[str, ChoiceSelection]:
        """The label of a button of the newest message that has any, and its selection. Raises InvalidRequest."""
        for message in reversed(self.runner.log.sent[self.id]):
            for choice in message.choices:
                if wanted.casefold() in (choice.id.casefold(), choice.label.casefold(), choice.id.partition(":")[0]):
                    return choice.label, ChoiceSelection(in_reply_to=message.id, id=choice.id)
            if message.choices:
                offered = ", ".join(choice.label for choice in message.choices)
                raise InvalidRequest(f"picks {wanted!r}, but the buttons are: {offered}")
        raise InvalidRequest(f"picks {wanted!r}, but there are no buttons")

    async def _observe(self, asked: str, turns: Sequence[Turn], took: float) -> ObservedAnswer:
        replies = [reply for turn in turns for reply in turn.replies]
        last = turns[-1] if turns else None
        known = await self.runner.state.conversations.get(self.id)
        return ObservedAnswer(
            asked=asked,
            text="\n\n".join(reply.text for reply in replies),
            citations=[citation for reply in replies for citation in reply.citations],
            choices=replies[-1].choices if replies else (),
            calls=self.trial.take_calls(),
            outcome="" if last is None else last.outcome,
            handed_over=known is not None and known.owner != "agent" and bool(turns),
            locale=replies[-1].locale if replies else "",
            cost=sum(turn.cost for turn in turns),
            milliseconds=took,
            model="" if last is None else last.model,
        )
