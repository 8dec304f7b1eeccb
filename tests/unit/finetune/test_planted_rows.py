"""Of planted rows that must not be learned nearly all are dropped, and hardly any good one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_worker.learning.finetune.example_filters import filter_examples
from agent_worker.learning.finetune.training_files import FileOptions, write_training_files
from tests.harness.sizes import size
from tests.unit.finetune.feedback_log import open_feedback_log
from tests.unit.finetune.planted_rows import PlantedLog

PART = size(1, full=4)
"""Quarters of the rows."""
BAD = {"leaked": 9, "duplicate": 8, "outdated": 7, "crisis": 7, "code": 7, "echo": 7, "contradiction": 5}
GOOD = {"liked": 10, "corrected": 12, "edited": 11}
ROWS = 50 * PART


@pytest.mark.slow
async def test_bad_rows_are_dropped_and_good_ones_kept(tmp_path: Path) -> None:
    assert PART * sum(BAD.values()) == ROWS
    async with open_feedback_log(tmp_path) as log:
        planted = PlantedLog(log)
        await planted.publish()
        await planted.repeat(PART * BAD["outdated"], planted.add_outdated)
        await planted.repeat(PART * GOOD["liked"], planted.add_liked)
        await planted.repeat(PART * GOOD["corrected"], planted.add_corrected)
        await planted.repeat(PART * GOOD["edited"], planted.add_edited_draft)
        await planted.repeat(PART * BAD["leaked"], planted.add_leaked)
        await planted.repeat(PART * BAD["duplicate"], planted.add_duplicate)
        await planted.repeat(PART * BAD["crisis"], planted.add_crisis)
        await planted.repeat(PART * BAD["code"], planted.add_code)
        await planted.repeat(PART * BAD["echo"], planted.add_echo)
        await planted.repeat(PART * BAD["contradiction"], planted.add_contradiction)
        examples = await log.read_examples()
    filtered = filter_examples(examples)
    kept = {each.conversation for each in filtered.kept}
    kinds = Counter(planted.kinds.values())
    assert sum(kinds.values()) - kinds["good"] == ROWS
    silent = planted.kinds.keys() - {each.conversation for each in examples}
    assert not silent, Counter(planted.kinds[id] for id in silent)

    good = [id for id, kind in planted.kinds.items() if kind == "good"]
    lost = {id for id in good if id not in kept} - {two for one, two in planted.pairs if one in kept}
    pairs = {one for one, two in planted.pairs if not {one, two} <= kept}
    left = {id: kind for id, kind in planted.kinds.items() if kind != "good" and id in kept and id not in pairs}
    print(
        f"{ROWS - len(left)} of {ROWS} bad rows dropped, {len(lost)} of {len(good)} good ones", Counter(left.values())
    )
    reasons = {each.conversation: each.problem for each in filtered.dropped}
    assert len(left) <= ROWS // 20, Counter(left.values())
    assert len(lost) <= 0.02 * len(good), [reasons.get(id) for id in lost]

    card = write_training_files(tmp_path / "data", filtered, FileOptions(tenant="shop", model_share=0.5), NOW)
    assert card.dropped_examples == len(filtered.dropped)
    written = "".join(path.read_text() for path in sorted((tmp_path / "data").iterdir()))
    for secret in ("Ben Fisher", "+49 151", "private.example", "kill myself", "code is"):
        assert secret not in written, secret
    assert "growers@nursery.example" in written, "what is in the documents is public"
    sft = [json.loads(line) for line in (tmp_path / "data" / "sft.train.jsonl").read_text().splitlines()]
    assert {tuple(message["role"] for message in row["messages"]) for row in sft} == {("system", "user", "assistant")}


NOW = datetime(2026, 6, 1, tzinfo=UTC)
