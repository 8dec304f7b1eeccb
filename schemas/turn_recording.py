"""The recording of a turn: together with the messages on the log, enough to run the turn again exactly."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.actions import ActionOutcome, Arguments, JournalEntry, PendingCode, Proof
from schemas.conversation import Facts, Owner
from schemas.messages import Assurance, WireModel, empty_list

CallKind = Literal["run", "prepare", "check", "preview", "used_up"]
"""The calls that leave the worker for an action. ``used_up``: the contact may not start it again today; it is recorded
only if that is so."""

RecordedLimit = Literal["", "local", "wait", "silence"]


class RecordedCall(WireModel):
    """A call for an action, and its outcome. ``digest``: of the arguments as records show them. ``result`` is None if
    there was none. ``proofs`` and ``code``: the contact's proofs and one-time code afterwards, if the call changed
    them; ``ends_code``: it left none."""

    kind: CallKind = "run"
    action: str
    digest: str = ""
    outcome: ActionOutcome = "succeeded"
    result: Arguments | None = None
    reason: str = ""
    refused: str = ""
    say: str = ""
    proofs: list[Proof] | None = None
    code: PendingCode | None = None
    ends_code: bool = False


class ModelCall(WireModel):
    """A function that a model called. ``arguments`` is the text that it wrote."""

    id: str
    name: str
    arguments: str


class RecordedRequest(WireModel):
    """A request to a model, and its answer as it was written, before any check. ``request``: a digest of the whole
    prompt; ``failure``: why it ended early; ``input``, ``cached`` and ``output``: tokens."""

    model: str
    request: str
    answer: str = ""
    calls: list[ModelCall] = empty_list()
    failure: str = ""
    input: int = 0
    cached: int = 0
    output: int = 0


class TurnRecording(WireModel):
    """``parley.turn.recorded.v1``: what a turn read, beside the messages and the documents. It is on the log with the
    turn's record, whose ``handled`` are the messages that it answers.

    ``clock``: the time of the turn. ``owner`` and ``epoch``: of the conversation. ``facts``: before the turn, except
    those that decide which messages wait. ``events``: the events that it settled, if these are not the messages that it
    answered. ``latest``: the event that the contact wrote, changed or reacted to last, if not the last one.

    ``history``: the earlier lines that it read, four bytes of each id, in base64; ``check``: a digest of the texts of
    those lines and of the messages. ``passages``: keys of what was found and has to do with the question, as in
    ``PassageRecord``, best first.

    ``ending``: the way a handoff ended; ``resumes``: only messages from that handoff were left to answer.

    ``levels``: how sure we are of the contact's addresses, by channel; ``assurance``: of this one. ``limit``: the limit
    on models, if the contact reached one. ``budget``: the share of today's budget that was left. ``wait``: seconds that
    people were expected to take. ``entries``: actions begun before. None of them is recorded unless it was asked for
    and says something."""

    turn_id: str
    clock: datetime
    owner: Owner = "agent"
    epoch: int = 0
    facts: Facts = Facts()
    events: list[str] = empty_list()
    latest: str = ""
    history: str = ""
    check: str = ""
    passages: list[str] = empty_list()
    ending: Literal["", "returned", "closed"] = ""
    resumes: bool = False
    levels: dict[str, Assurance] | None = None
    assurance: Assurance = "anonymous"
    limit: RecordedLimit = ""
    budget: float | None = None
    wait: float | None = None
    entries: list[JournalEntry] = empty_list()
    calls: list[RecordedCall] = empty_list()
    exchanges: list[RecordedRequest] = empty_list()


class PassageRecord(WireModel):
    """``parley.passage.retrieved.v1``: a passage that turns have found, once for all of them: ``key`` is a digest of
    everything else. The documents' topic keeps only their newest versions."""

    key: str
    document: str
    version: int
    title: str = ""
    heading: str = ""
    url: str = ""
    text: str
