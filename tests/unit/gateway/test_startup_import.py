"""The import of configured files at a start: what is read again and published, and what readiness says meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.loader import load
from gateway.config.settings import Config
from gateway.documents import startup_import
from gateway.documents.document_sources import configured_sources
from gateway.documents.source_state import FIRST_SYNC, SourceStates, SyncRun
from gateway.documents.startup_import import FileHashes, StartupImport, hash_files
from gateway.documents.sync_service import DocumentImports
from gateway.wiring.compose import open_embedded
from gateway.wiring.process_services import ProcessServices
from schemas.errors import SetupError
from tests.harness.installation import config_of

TENANTS = ("one", "two", "three")


def make_config(folder: Path, **knowledge: Any) -> Config:
    tenants = {}
    for name in TENANTS:
        (folder / name).mkdir()
        (folder / name / "hours.md").write_text(f"# Hours\n\nThe shop {name} opens at nine.\n")
        tenants[name] = {"name": name, "channels": {"web": {"main": {}}}, "knowledge": {"paths": [name], **knowledge}}
    (folder / "parley.yaml").write_text(yaml.safe_dump(config_of(folder, tenants=tenants)))
    return load(folder / "parley.yaml")


class ImportOutput:
    """What imports showed the person at the terminal, the names of the files they read, and what they had to do."""

    def __init__(self) -> None:
        self.notes = list[str]()
        self.files = list[str]()
        self.pending = list[str]()

    @contextmanager
    def show_progress(self, title: str, _total: int | None) -> Iterator[Callable[[str], None]]:
        yield self.files.append if title == "documents" else lambda _item: None

    async def run(self, config: Config, services: ProcessServices) -> StartupImport:
        documents = StartupImport(config, progress=self.show_progress, note=self.notes.append)
        self.pending.append(documents.describe_pending())
        await documents.run(services)
        return documents


async def find_texts(services: ProcessServices) -> list[str]:
    assert services.knowledge is not None
    return [document.body for name in TENANTS for document in await services.knowledge.documents(name)]


async def test_all_tenants_documents_can_be_found_when_it_ends_and_not_before_it_says_so(tmp_path: Path) -> None:
    config, shown = make_config(tmp_path), ImportOutput()
    async with open_embedded(config) as services:
        documents = await shown.run(config, services)
        assert shown.pending == ["the documents of one and 2 other tenants are being read"]
        assert documents.describe_pending() == ""
        assert [text.splitlines()[-1] for text in await find_texts(services)] == [
            f"The shop {name} opens at nine." for name in TENANTS
        ]
    assert shown.notes[0].startswith("reading 3 new documents; this happens once.")


async def test_only_tenants_whose_files_changed_are_read_again(tmp_path: Path) -> None:
    config, first, second = make_config(tmp_path), ImportOutput(), ImportOutput()
    async with open_embedded(config) as services:
        await first.run(config, services)
    assert sorted(first.files) == sorted(str(tmp_path / name / "hours.md") for name in TENANTS)
    (tmp_path / "two" / "hours.md").write_text("# Hours\n\nThe shop two opens at ten.\n")
    async with open_embedded(config) as services:
        await second.run(config, services)
        assert second.files == [str(tmp_path / "two" / "hours.md")]
        assert "opens at ten" in (await find_texts(services))[1]


async def test_a_file_that_cannot_be_read_is_named_at_each_start(tmp_path: Path) -> None:
    config, shown = make_config(tmp_path), ImportOutput()
    (tmp_path / "two" / "broken.pdf").write_bytes(b"no PDF")
    for starts in (1, 2):
        async with open_embedded(config) as services:
            await shown.run(config, services)
            assert len(await find_texts(services)) == 3
        assert len([text for text in shown.notes if text.startswith("skipped")]) == starts


async def test_with_a_new_log_everything_is_published_again(tmp_path: Path) -> None:
    config, shown = make_config(tmp_path), ImportOutput()
    async with open_embedded(config) as services:
        await shown.run(config, services)
    for file in config.data_path.glob("*.db*"):
        file.unlink()
    async with open_embedded(config) as services:
        assert await find_texts(services) == []
        await shown.run(config, services)
        assert len(await find_texts(services)) == 3


async def test_after_an_error_it_goes_on_with_the_tenants_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path)
    (tmp_path / "two" / "hours.md").rename(tmp_path / "hours.md")
    (tmp_path / "two").rmdir()
    async with open_embedded(config) as services:
        documents = StartupImport(config)
        with pytest.raises(SetupError, match="two does not exist"):
            await documents.run(services)
        assert "the documents of one and 2 other tenants" in documents.describe_pending()
        (tmp_path / "two").mkdir()
        (tmp_path / "hours.md").rename(tmp_path / "two" / "hours.md")
        await documents.run(services)
        assert len(await find_texts(services)) == 3


def test_what_was_imported_is_saved_now_and_then_and_forgotten_with_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, path = [0.0], tmp_path / "imported.json"
    imported = FileHashes(path, lambda: now[0])
    imported.add("one", "a")
    assert not path.exists()
    now[0] = startup_import.SAVE_AFTER_S
    imported.add("two", "b")
    again = FileHashes(path)
    assert again.contains("one", "a")
    assert again.contains("two", "b")
    assert not again.contains("two", "a")
    monkeypatch.setattr(metadata, "version", lambda _name: "another")
    assert not FileHashes(path).contains("one", "a")
    path.write_text("{")
    assert not FileHashes(path).contains("one", "a")


def test_a_file_that_was_written_with_its_old_times_counts_as_changed(tmp_path: Path) -> None:
    file = tmp_path / "hours.md"
    file.write_text("We open at nine.")
    before, times = hash_files([str(tmp_path)]), file.stat()
    assert hash_files([str(tmp_path)]) == before
    file.write_text("We open at four.")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert hash_files([str(tmp_path)]) != before


async def test_a_website_beside_the_files_is_waited_for_until_it_was_read_once_or_takes_too_long(
    tmp_path: Path,
) -> None:
    config = make_config(tmp_path, websites=[{"url": "http://127.0.0.1:1/"}])
    source, now = configured_sources(config, "one")[-1].id, [datetime(2026, 3, 2, tzinfo=UTC)]
    async with open_embedded(config) as services:
        leases, documents = services.state.leases, StartupImport(config)
        states = SourceStates(leases, lambda: now[0])

        def find_imports() -> DocumentImports:
            return DocumentImports(config, leases, lambda: now[0], documents)

        assert await find_imports().find("one") == "first"
        await documents.run(services)
        await states.change("one", source, lambda state: setattr(state, "since", now[0]))
        assert await find_imports().find("one") == "more"
        assert await DocumentImports(config, leases, lambda: now[0], None).find("one") == "first", "elsewhere"
        now[0] += FIRST_SYNC + timedelta(seconds=1)
        assert await find_imports().find("one") == ""
        run = SyncRun(started=now[0], ended=now[0], result="failed")
        await states.change("two", source, lambda state: setattr(state, "last", run))
        assert await find_imports().find("two") == "", "what cannot be read is not waited for"
