"""Files and folders read into documents: whatever their kind, an edit or a deletion holds from the next search on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import loader as configuration
from gateway.config.settings import Config
from gateway.documents import document_sources, sync
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import LocalDocumentStore
from gateway.documents.sync import SyncReport, sync_documents
from schemas.errors import SetupError
from schemas.ports import Content, ReadDocument, SkippedDocument, SyncRequest
from tests.harness.processes import ROOT
from tests.unit.gateway.conftest import Instance
from tests.unit.sources import document_files

ASKED = "What does the moss cost?"
MAKES: dict[str, Callable[[str], bytes]] = {
    ".md": lambda price: f"# Moss\n\nThe moss costs {price} euro.".encode(),
    ".txt": lambda price: f"MOSS\n\nThe moss costs {price} euro.".encode(),
    ".html": lambda price: f"<nav>x</nav><h1>Moss</h1><p>The moss costs {price} euro.</p>".encode(),
    ".csv": lambda price: f"question;answer\nWhat is moss?;A plant.\n{ASKED};It costs {price} euro.\n".encode(),
    ".pdf": lambda price: document_files.pdf([(20, 700, "Moss"), (10, 600, f"The moss costs {price} euro.")]),
    ".docx": lambda price: document_files.docx(
        document_files.paragraph("Moss", "Title") + document_files.paragraph(f"The moss costs {price} euro.")
    ),
}


class SyncCommand:
    """`parley knowledge sync` without a process."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self._instance = instance
        self.folder = folder / "docs"
        self.folder.mkdir()
        self._memory = folder / "read.json"

    async def sync(self, *names: str, remove: bool = True, **more: Any) -> SyncReport:
        """The places with these names in the folder; the folder itself when none is named."""
        found = [DocumentSource(str(self.folder / name), f"docs/{name}".rstrip("/"), **more) for name in names or ("",)]
        return await sync_documents(
            LocalDocumentStore(self._instance.services, "shop"),
            found,
            remove=remove,
            crawl_states=CrawlStateStore(self._memory),
        )

    async def found(self, assurance: str = "anonymous") -> str:
        await self._instance.settled()
        asked = {"query": ASKED, "k": 1, "assurance": assurance}
        passages = (await self._instance.admin("POST", "/knowledge/search", asked)).body["passages"]
        return str(passages[0]["text"]) if passages else ""

    async def ids(self) -> list[str]:
        return [item["document"] for item in (await self._instance.admin("GET", "/knowledge")).body["items"]]

    def write(self, name: str, text: str | bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def keeper(instance: Instance, tmp_path: Path) -> SyncCommand:
    return SyncCommand(instance, tmp_path)


@pytest.mark.parametrize("ending", MAKES)
async def test_a_file_of_each_kind_is_found_changed_and_gone(keeper: SyncCommand, ending: str) -> None:
    make = MAKES[ending]
    others = sorted(f"other{number}" for number in range(8))
    for name in others:
        keeper.write(f"{name}.md", f"# Pots\n\nPots stand on shelf {name}.")
    keeper.write(f"moss{ending}", make("7"))
    assert len((await keeper.sync()).added) == 8 + (2 if ending == ".csv" else 1)
    assert "7 euro" in await keeper.found()
    keeper.write(f"moss{ending}", make("9"))
    changed = await keeper.sync()
    assert (len(changed.changed), changed.added, changed.removed) == (1, [], [])
    assert "9 euro" in await keeper.found()
    (keeper.folder / f"moss{ending}").unlink()
    assert len((await keeper.sync()).removed) == (2 if ending == ".csv" else 1)
    assert "9 euro" not in await keeper.found()
    assert await keeper.ids() == others


async def test_only_the_places_that_were_read_lose_documents(keeper: SyncCommand, instance: Instance) -> None:
    """What came over the API, and from other places, stays; what moves between two of them is never away."""
    for name in ("a/one.md", "b/two.md", "a/moving.md"):
        keeper.write(name, f"# {name}\n\nSays {name}.")
    await instance.admin("PUT", "/knowledge/by-hand", {"title": "By hand", "body": "Over the API."})
    await keeper.sync("a", "b")
    (keeper.folder / "b" / "two.md").unlink()
    keeper.write("b/three.md", "# Three\n\nSays three.")
    (keeper.folder / "a" / "moving.md").rename(keeper.folder / "b" / "moving.md")
    assert (await keeper.sync("b", remove=False)).removed == []
    assert (await keeper.sync("b")).removed == ["two"]
    again = await keeper.sync("a", "b")
    assert (again.removed, again.changed) == ([], [])
    assert await keeper.ids() == ["by-hand", "moving", "one", "three"]


@pytest.mark.parametrize(
    ("count", "gone", "held"), [(1, 1, 0), (4, 1, 0), (2, 2, 2), (10, 2, 0), (10, 3, 3), (25, 5, 0), (24, 5, 5)]
)
async def test_several_documents_that_are_over_a_fifth_of_a_source_are_not_removed_unasked(
    keeper: SyncCommand, count: int, gone: int, held: int
) -> None:
    """Another source's documents go as ever beside it."""
    for number in range(count):
        keeper.write(f"a/{number}.md", f"# {number}\n\nSays number {number}.")
    for name in ("kept", "left"):
        keeper.write(f"b/{name}.md", f"# {name}\n\nSays {name}.")
    await keeper.sync("a", "b")
    for number in range(gone):
        (keeper.folder / "a" / f"{number}.md").unlink()
    (keeper.folder / "b" / "left.md").unlink()
    report = await keeper.sync("a", "b")
    assert [len(each) for each in report.held.values()] == ([held] if held else [])
    assert len(report.removed) == 1 + gone - held
    assert "left" in report.removed


async def test_text_that_is_gone_at_its_source_is_removed_although_its_document_is_still_listed(
    keeper: SyncCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that merely cannot be read stays; both are reported."""
    items: list[ReadDocument | SkippedDocument] = [
        ReadDocument(id, id, Content(id, f"Says {id}.")) for id in ("heard", "lost", "busy")
    ]

    class Videos:
        async def read(self, visit: SyncRequest) -> AsyncIterator[ReadDocument | SkippedDocument]:
            for item in items:
                yield item

    monkeypatch.setattr(sync, "source_of", lambda _location: Videos())
    await keeper.sync()
    items[1:] = [
        SkippedDocument("lost", "has no captions", "lost", is_gone=True),
        SkippedDocument("busy", "cannot be read now", "busy"),
    ]
    report = await keeper.sync()
    assert (report.removed, list(report.failed)) == (["lost"], ["lost", "busy"])
    assert await keeper.ids() == ["busy", "heard"]


async def test_folder_settings_hold_for_documents_without_their_own(keeper: SyncCommand) -> None:
    keeper.write("moss.md", "# Moss\n\nThe moss costs 7 euro.")
    keeper.write("open.md", "---\nvisibility: public\n---\n# Pots\n\nPots stand on shelves.")
    await keeper.sync(visibility="internal")
    assert "7 euro" not in await keeper.found("verified")
    assert "Pots" in await keeper.found()
    report = await keeper.sync(visibility="public")
    assert (report.changed, report.unchanged) == (["moss"], ["open"])
    assert "7 euro" in await keeper.found()


async def test_bad_files_are_told_and_the_others_go_on(keeper: SyncCommand) -> None:
    keeper.write("moss.md", MAKES[".md"]("7"))
    keeper.write("locked.pdf", document_files.encrypted_pdf())
    keeper.write("binary.md", bytes(range(256)))
    keeper.write("sub/moss.txt", "THE SAME\n\nName.")
    keeper.write("photo.jpg", b"\xff\xd8")
    with open(keeper.folder / "huge.docx", "wb") as huge:
        os.truncate(huge.fileno(), 100 * 1024 * 1024)
    report = await keeper.sync()
    said = {Path(name).name: why for name, why in report.failed.items()}
    assert report.added == ["moss"]
    assert "encrypted" in said["locked.pdf"]
    assert "UTF-8" in said["binary.md"]
    assert "100 MB" in said["huge.docx"]
    assert "same document id" in said["moss.txt"]
    assert "photo.jpg" not in said


async def test_names_in_any_script_and_of_any_length_are_documents(keeper: SyncCommand) -> None:
    names = ["配送.md", "退货.md", "Возврат.md", "हिन्दी.md", "a" * 240 + ".md", "....md", "-x-.md", "A B.md"]
    for number, name in enumerate(names):
        keeper.write(name, f"Text {number}")
    report = await keeper.sync()
    assert report.failed == {}
    assert len(await keeper.ids()) == len(names) - 1, "hidden files are left alone"


async def test_a_damaged_file_keeps_its_own_documents_and_no_others(keeper: SyncCommand) -> None:
    """What was deleted beside it is gone."""
    for name in ("price.pdf", "table.csv", "warranty.md"):
        keeper.write(name, MAKES["." + name.rpartition(".")[2]]("3"))
    await keeper.sync()
    before = await keeper.ids()
    keeper.write("price.pdf", b"%PDF-1.4 damaged")
    keeper.write("table.csv", 'question;answer\n"never closed;')
    (keeper.folder / "warranty.md").unlink()
    report = await keeper.sync()
    assert len(report.failed) == 2
    assert (report.removed, report.incomplete) == (["warranty"], [])
    assert await keeper.ids() == [each for each in before if each != "warranty"]


async def test_a_source_that_is_gone_as_a_whole_has_no_documents_any_more(
    keeper: SyncCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that merely cannot be read keeps them."""
    items: list[ReadDocument | SkippedDocument] = [ReadDocument(id, id, Content(id, f"Says {id}.")) for id in "abc"]

    class Source:
        async def read(self, visit: SyncRequest) -> AsyncIterator[ReadDocument | SkippedDocument]:
            for item in items:
                yield item

    monkeypatch.setattr(sync, "source_of", lambda _location: Source())
    await keeper.sync()
    items[:] = [SkippedDocument("wiki", "it cannot be read now")]
    report = await keeper.sync()
    assert (report.held, report.removed, report.incomplete) == ({}, [], ["docs"])
    items[:] = [SkippedDocument("wiki", "it is not shared any more", is_gone=True)]
    report = await keeper.sync()
    assert (report.held, report.removed, report.incomplete) == ({"docs": ["a", "b", "c"]}, [], [])
    items[:] = [ReadDocument(id, id, Content(id, f"Says {id}.")) for id in "ab"]
    assert (await keeper.sync()).removed == ["c"]
    del items[1]
    assert (await keeper.sync()).removed == ["b"]
    items[:] = []
    assert (await keeper.sync()).removed == ["a"], "an empty source is one whose documents are gone"


async def test_a_missing_or_unsupported_path_is_an_error_at_once(keeper: SyncCommand) -> None:
    with pytest.raises(SetupError, match="does not exist"):
        await keeper.sync("nothing")
    assert (await keeper.sync()).is_empty


# ── what is configured ───────────────────────────────────────────────────────────────────────────────────────────────

CONFIG = """
tenants:
  shop:
    name: Shop
    knowledge:
      paths: [docs, {outside}]
      websites:
        - https://help.example/
        - {{url: "https://shop.example/sitemap.xml", depth: 0, pages: 20, visibility: verified}}
      sources: [{{location: staff, visibility: internal}}, {{location: "notes://handbook", options: {{token: x}}}}]
      private_hosts: ["Wiki.internal:8443"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "shop" / "parley.yaml"
    file.parent.mkdir()
    file.write_text(CONFIG.format(outside=tmp_path / "elsewhere"))
    return configuration.load(file, environ={})


def test_places_are_labelled_as_the_configuration_names_them(config: Config, tmp_path: Path) -> None:
    found = document_sources.configured_sources(config, "shop")
    assert [place.label for place in found] == [
        *("docs", str(tmp_path / "elsewhere"), "https://help.example/", "https://shop.example/sitemap.xml"),
        *("staff", "notes://handbook"),
    ]
    assert found[0].location == str(tmp_path / "shop" / "docs")
    assert (found[2].options["depth"], found[3].options["depth"], found[3].visibility) == (3, 0, "verified")
    assert (found[4].visibility, found[5].options["token"]) == ("internal", "x")
    assert "token" in repr(config)
    assert "'x'" not in repr(config), "what is a secret only the source knows"
    assert found[2].options["private_hosts"] == ["wiki.internal:8443"]


def test_a_place_that_is_named_is_read_as_it_is_configured(config: Config, tmp_path: Path) -> None:
    asked = [str(tmp_path / "shop" / "staff"), "https://help.example/", "https://new.example/"]
    staff, known, new = document_sources.select_sources(
        config, "shop", asked, {"language": "de", "visibility": None}, {"depth": 1}
    )
    assert (staff.label, staff.visibility, staff.language) == ("staff", "internal", "de")
    assert (known.options["depth"], known.options["pages"]) == (1, 500)
    assert new.options["private_hosts"] == ["wiki.internal:8443"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("websites: [help.example]", "https://example.com/help"),
        ("websites: [{url: 'https://a.example', depth: -1}]", "depth"),
        ("websites: [{url: 'https://a.example', dept: 1}]", "did you mean 'depth'?"),
        ("websites: [{url: 'https://a:b@a.example/'}]", "https://example.com/help"),
        ("private_hosts: ['http://wiki/']", "host:port"),
        ("sources: [{location: x, visibility: secret}]", "visibility"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, wrong: str, said: str) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(f"tenants:\n  shop:\n    name: Shop\n    knowledge:\n      {wrong}\n")
    with pytest.raises(SetupError) as caught:
        configuration.load(file, environ={})
    assert said in caught.value.message


def test_readers_of_pdf_and_word_are_not_loaded_before_they_are_needed() -> None:
    heavy = ("mammoth", "pypdfium2", "bs4", "markdownify")
    imports = "import sys, gateway.documents.sync, gateway.commands.knowledge.documents"
    asked = f"{imports}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
