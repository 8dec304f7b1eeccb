"""The services of a replay: they answer from the recording, and refuse every write.

A replay has no log and no state store. Each port that it does not need raises an error."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any, Never, cast

from pydantic import BaseModel

from agent_worker.actions.arguments import dump_arguments
from agent_worker.actions.context import Identity
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.execution.effects import IdentityProofs
from agent_worker.actions.execution.executor import Executor, build_key
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.service import ActionService
from agent_worker.actions.spec import Action
from agent_worker.learning.replay_context import NOT_RECORDED, TurnReplay, current_replay, recorded_clock
from agent_worker.learning.turn_recorder import digest_arguments
from agent_worker.turn.contact_limits import ContactLimits, Limit
from agent_worker.turn.reply_stream import ReplyStream
from agent_worker.turn.values import TurnInput
from schemas.actions import ActionSettled, JournalEntry
from schemas.conversation import Contact
from schemas.errors import NotFound
from schemas.messages import Address, Attachment
from schemas.ports import Bus, Signals, State
from schemas.turn_recording import CallKind, RecordedCall


class WriteInReplay(AssertionError):
    """A replay tried to reach the log, the state store or a vendor. This is a defect."""


class ClosedPort:
    """A port that nobody may use in a replay."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, operation: str) -> Never:
        raise WriteInReplay(f"a replay called {self._name}.{operation}")


def _replay() -> TurnReplay:
    replay = current_replay()
    if replay is None:
        raise WriteInReplay("a recorded service was used outside of a replay")
    return replay


class RecordedContacts:
    """The contact of the replayed turn: its addresses are only as sure as they were."""

    async def get(self, tenant: str, contact: str) -> Contact | None:
        replay = _replay()
        recording = replay.recording
        if recording.levels is None:
            replay.note_divergence(f"the contact: {NOT_RECORDED}")
        if not recording.levels:
            return None
        levels = recording.levels | {replay.channel: recording.assurance}
        addresses = [Address(channel=channel, value="", assurance=level) for channel, level in levels.items()]
        return Contact(id=contact, tenant=tenant, addresses=addresses, created_at=recording.clock)


class RecordedJournal:
    """The actions that were begun before the replayed turn, as far as it looked at them."""

    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        return [entry for entry in _replay().recording.entries if entry.intended.authority in authorities]

    async def entry(self, conversation: str, key: str) -> JournalEntry | None:
        return next((entry for entry in _replay().recording.entries if entry.intended.key == key), None)

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        return [entry for entry in _replay().recording.entries if entry.in_doubt]


class RecordedLimits(ContactLimits):
    """The limit on models that the contact had reached."""

    async def check(self, turn: TurnInput) -> Limit:
        """See ContactLimits."""
        return _replay().recording.limit or "model"


class RecordedBudget:
    """The share of the day's budget that was left."""

    async def share_left(self, tenant: str, contact: str) -> float | None:
        return _replay().recording.budget


async def read_picture(tenant: str, file: str) -> tuple[Attachment, bytes]:
    """A picture without its content: a recorded answer is found by the picture's id. Raises NotFound."""
    found = _replay().files.get(file)
    if found is None:
        raise NotFound("the turn could not see this file")
    return found, b""


class RecordedExecutor(Executor):
    """Answers each call of an action as it was answered, and calls nothing."""

    async def _call(
        self,
        kind: CallKind,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        return _answer(kind, action, arguments, proofs)

    async def is_used_up(self, scope: ActionScope, action: Action, contact: str) -> bool:
        """See Executor."""
        return _replay().has_call("used_up", action.name)

    async def read(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> CallOutcome:
        """See Executor."""
        return _answer("run", action, arguments, proofs)

    async def write(
        self,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        authority: str,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        """See Executor."""
        key = build_key(scope, action, dump_arguments(arguments), authority)
        return replace(_answer("run", action, arguments, proofs), key=key)

    async def settle(self, scope: ActionScope, settled: ActionSettled) -> None:
        """Do nothing: the outcome is on the log."""


def _answer(kind: CallKind, action: Action, arguments: BaseModel, proofs: IdentityProofs) -> CallOutcome:
    replay = _replay()
    call = replay.take_call(kind, action.name, digest_arguments(action, dump_arguments(arguments)))
    if call is None:
        replay.note_divergence(f"{action.name}: {NOT_RECORDED}")
        return CallOutcome("failed", reason=NOT_RECORDED)
    _apply_memory(call, proofs)
    return CallOutcome(
        call.outcome,
        facts=call.result,
        reason=call.reason,
        refused=cast(Any, call.refused),
        say=call.say,
    )


def _apply_memory(call: RecordedCall, proofs: IdentityProofs) -> None:
    """The proofs and the one-time code that the call left behind."""
    if call.proofs is not None:
        proofs.effects.remember(proofs=call.proofs)
    if call.code is not None or call.ends_code:
        proofs.effects.remember(code=call.code)


class RecordedActions(ActionService):
    """The action service of a replay."""

    def __init__(self, state: State) -> None:
        super().__init__(bus=cast(Bus, ClosedPort("bus")), state=state, clock=recorded_clock)
        self.executor = RecordedExecutor(
            bus=cast(Bus, ClosedPort("bus")),
            journal=state.journal,
            limiter=state.limiter,
            clock=recorded_clock,
            http=self._refuse_http,
        )

    def _refuse_http(self) -> Any:
        return ClosedPort("http")


def recorded_state() -> State:
    """A state store in which only recorded contacts and actions can be read."""
    ports: dict[str, Any] = {field.name: ClosedPort(field.name) for field in fields(State)}
    return State(**(ports | {"contacts": RecordedContacts(), "journal": RecordedJournal()}))


def open_silent_stream(turn: TurnInput) -> ReplyStream:
    """A stream that nobody hears."""
    signals = cast(Signals, ClosedPort("signals"))
    return ReplyStream(
        signals, turn.conversation.id, turn.id, turn.conversation.epoch, silent=True, is_cancelled=lambda: False
    )
