"""A model's numbers are read where their file is mapped."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from agent_worker.knowledge.vectors.encoder import Weights

ROWS, WIDTH = 4_000, 256


def _file(folder: Path) -> tuple[Path, dict[str, Any]]:
    chance = np.random.default_rng(1)
    tables: dict[str, Any] = {
        "before": chance.random((3, 5)).astype(np.float32),
        "table": chance.random((ROWS, WIDTH)).astype(np.float16),
        "flat": np.zeros(7, np.float16),
    }
    save_file(tables, folder / "model.safetensors")
    return folder / "model.safetensors", tables


def test_rows_are_the_files_and_exact(tmp_path: Path) -> None:
    """Whichever are asked for, in whichever order and however often, also after memory was given back."""
    path, tables = _file(tmp_path)
    weights, asked = Weights(path, "table"), np.array([3999, 0, 17, 17])
    assert len(weights) == ROWS
    for _ in range(2):
        found = weights.rows(asked)
        assert found.dtype == np.float32
        assert (found == tables["table"][asked].astype(np.float32)).all()
        weights.release()


@pytest.mark.parametrize("name", ["missing", "before", "flat"])
def test_a_missing_or_mismatched_table_is_reported(tmp_path: Path, name: str) -> None:
    """One that is not there, one of other numbers, one that has no rows."""
    path, _ = _file(tmp_path)
    with pytest.raises(ValueError, match=f"no table {name}"):
        Weights(path, name)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for what is mapped")
def test_released_rows_take_no_memory(tmp_path: Path) -> None:
    path, _ = _file(tmp_path)
    weights = Weights(path, "table")
    weights.rows(np.arange(ROWS))
    assert _resident_kb(path) >= ROWS * WIDTH * 2 // 1024
    weights.release()
    assert _resident_kb(path) == 0


def _resident_kb(path: Path) -> int:
    """Of the file's mapping in this process."""
    mappings = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    (ours,) = [each for each in mappings if str(path) in each.partition("\n")[0]]
    found = re.search(r"^Rss:\s+(\d+) kB", ours, re.MULTILINE)
    assert found is not None
    return int(found[1])
