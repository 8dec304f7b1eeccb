"""The recordings of turns, added to what a turn commits; and the passages that they name, which are kept once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent_worker.learning.turn_recorder import TurnRecorder, build_passage, passage_key
from schemas.envelope import Envelope
from schemas.ids import derived_id
from schemas.ports import Passage
from schemas.privacy.cards import mask_cards
from schemas.topics import PASSAGE_RETRIEVED, TURN_RECORDED
from schemas.turn_recording import PassageRecord

if TYPE_CHECKING:
    from agent_worker.turn.result import TurnResult
    from agent_worker.turn.values import Response, TurnInput

KEPT_AGAIN_AFTER = timedelta(days=7)
"""A passage that is still found is written again after this time, so that its text outlives the turns that found it."""
MAX_REMEMBERED = 20_000
"""Passages that a process remembers to have written."""


class Recordings:
    """Writes the recordings of one process's turns."""

    def __init__(self) -> None:
        self._written: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def add_to(
        self, result: TurnResult, turn: TurnInput, response: Response, recorder: TurnRecorder, now: datetime
    ) -> TurnResult:
        """Add the recording to the outbox, with the passages that have no copy on the log yet. A turn without a record
        has none."""
        if result.record is None:
            return result
        recording = recorder.build(turn, response)
        payload = recording.model_dump_json(exclude_defaults=True).encode()
        recorded = turn.chain.wrap(TURN_RECORDED, payload, id=derived_id(turn.id, "recording"), now=now)
        passages = self._find_new(turn, response.reply.search_result.related_passages, now)
        outbox = [*result.outbox, recorded, *(_wrap(turn, each, now) for each in passages)]
        return replace(result, outbox=outbox)

    def note_written(self, envelopes: Iterable[Envelope], now: datetime) -> None:
        """Remember the passages among these committed envelopes."""
        for envelope in envelopes:
            if envelope.type == PASSAGE_RETRIEVED:
                self._written[envelope.tenant, envelope.subject] = now
                self._written.move_to_end((envelope.tenant, envelope.subject))
        while len(self._written) > MAX_REMEMBERED:
            self._written.popitem(last=False)

    def _find_new(self, turn: TurnInput, passages: Sequence[Passage], now: datetime) -> list[PassageRecord]:
        tenant, own = turn.conversation.origin.tenant, turn.rules.actions.own
        found: list[PassageRecord] = []
        for passage in passages:
            key = passage_key(passage)
            written = self._written.get((tenant, key))
            if key and (written is None or now - written >= KEPT_AGAIN_AFTER):
                kept = build_passage(passage)
                found.append(kept.model_copy(update={"text": mask_cards(kept.text, own)}))
        return found


def _wrap(turn: TurnInput, passage: PassageRecord, now: datetime) -> Envelope:
    """The same id each time, whichever process finds the passage."""
    id = derived_id(f"{turn.conversation.origin.tenant}:{passage.key}", "passage")
    envelope = turn.chain.wrap(PASSAGE_RETRIEVED, passage, id=id, now=now)
    return replace(envelope, subject=passage.key)
