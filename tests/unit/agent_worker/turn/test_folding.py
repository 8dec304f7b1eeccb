"""Lines that are decoded on first use, and the moment from which a turn counts as asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from agent_worker.settings import FoldRules
from agent_worker.turn.folding import Fold
from schemas.messages import Author, TranscriptMessage
from schemas.ports import Record
from schemas.transcript import Lines
from tests.unit.agent_worker.worker_environment import LaneStub

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_lines_are_decoded_when_somebody_looks_and_once() -> None:
    decoded: list[int] = []

    def decode() -> Sequence[TranscriptMessage]:
        decoded.append(1)
        return [TranscriptMessage(id=n, author=Author(kind="contact"), text=n, created_at=NOW) for n in "abc"]

    lines = Lines(decode)
    assert not decoded
    assert [line.id for line in reversed(lines)] == ["c", "b", "a"]
    assert [line.id for line in lines[-2:]] == ["b", "c"]
    assert len(lines) == 3
    assert decoded == [1]


def test_a_turn_counts_as_asked_when_its_newest_record_was_read() -> None:
    first, second = (Record("t", 0, n, "c", 0, {}, b"", read_at=read) for n, read in enumerate((1.0, 3.0)))
    batch = LaneStub([first])
    fold = Fold(batch, FoldRules(), lambda: NOW, lambda: 9.0)
    assert fold.read_at == 1.0
    batch.arrive(second)
    batch.take_more()
    assert fold.read_at == 3.0
