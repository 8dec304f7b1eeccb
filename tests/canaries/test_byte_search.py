"""The search finds a canary wherever it stands: a search that finds nothing proves nothing."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from tests.canaries import byte_search
from tests.canaries.byte_search import find_canaries, make_canary, search

CANARY = make_canary(random.Random(1))


@pytest.mark.parametrize("shift", range(6))
def test_a_canary_is_found_in_plain_text_and_in_base64_at_any_place(shift: int) -> None:
    text = b"x" * shift + CANARY.encode() + b" more"
    assert list(find_canaries(text)) == [CANARY]
    assert set(find_canaries(b'{"value": "' + base64.b64encode(text) + b'"}')) == {CANARY}


def test_a_canary_is_found_between_two_reads_and_in_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_search, "CHUNK", 32)
    other = make_canary(random.Random(2))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / f"{other}.bin").write_bytes(b"\0" * 25 + CANARY.encode() + b"\0" * 100)
    found = search([tmp_path])
    assert found.of([CANARY, other, make_canary(random.Random(3))]).keys() == {CANARY, other}
    assert (found.files, found.bytes) == (1, 145)


def test_a_canary_is_found_behind_what_was_never_written(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(byte_search.CHUNK * 4)
        file.seek(byte_search.CHUNK * 2 + 7)
        file.write(CANARY.encode())
    found = search([tmp_path])
    assert found.of([CANARY]).keys() == {CANARY}
    assert found.bytes == byte_search.CHUNK * 4
