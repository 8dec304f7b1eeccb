"""`parley knowledge` over a folder, a website and who asks, as it is typed."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.gateway.test_cli import configure, parley
from tests.unit.sources import document_files


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Standard error is what a test reads."""


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its address, and the folder that it shows."""
    shown = tmp_path / "site"
    (shown / "care").mkdir(parents=True)
    (shown / "index.html").write_text("<h1>Orchids</h1><p>We grow orchids.</p><a href='care/moss.html'>Moss</a>")
    (shown / "care" / "moss.html").write_text("<h1>Moss</h1><p>Moss wants four litres of mist a day.</p>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(shown)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", shown
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shop(tmp_path: Path, website: tuple[str, Path]) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    configure(folder)
    file = folder / "parley.yaml"
    said = f"{{paths: [docs], websites: [{{url: '{website[0]}', depth: 1}}], private_hosts: [127.0.0.1]}}"
    file.write_text(file.read_text().replace("{paths: [docs]}", said))
    return folder


def test_configured_sources_are_synced_and_vanished_documents_removed(shop: Path, website: tuple[str, Path]) -> None:
    first = json.loads(parley("knowledge", "sync", "--json", cwd=shop).stdout)
    assert (len(first["added"]), first["failed"], first["notes"]) == (4, {}, [])
    asked = ("knowledge", "ask", "How much mist does moss want a day?", "--json")
    assert "four litres" in json.loads(parley(*asked, cwd=shop).stdout)["passages"][0]["text"]
    page = website[1] / "index.html"
    page.write_text("<h1>Orchids</h1><p>We grow orchids and ferns.</p>")
    # The server tells whole seconds of when it changed, and all this may happen within one.
    os.utime(page, (page.stat().st_atime, page.stat().st_mtime + 2))
    (website[1] / "care" / "moss.html").unlink()
    (shop / "docs" / "care.md").unlink()
    again = json.loads(parley("knowledge", "sync", "--json", cwd=shop).stdout)
    assert (len(again["changed"]), len(again["removed"]), again["unchanged"]) == (1, 2, ["shipping"])
    assert "four litres" not in parley(*asked, cwd=shop).stdout


def test_most_of_a_place_is_removed_only_when_that_is_said(shop: Path) -> None:
    """Without the flag the command refuses, says of which place, and names the flag; what changed is published."""
    for number in range(9):
        (shop / "docs" / f"pot-{number}.md").write_text(f"# Pot {number}\n\nPot {number} is made of clay.")
    parley("knowledge", "sync", cwd=shop)
    for number in range(9):
        (shop / "docs" / f"pot-{number}.md").unlink()
    (shop / "docs" / "new.md").write_text("# New\n\nWe have ferns.")
    refused = parley("knowledge", "sync", cwd=shop)
    assert refused.returncode == 2
    assert "1 added" in refused.stdout
    assert "removed" not in refused.stdout
    assert "error[conflict]" in refused.stderr
    assert "docs: 9 documents" in refused.stderr
    assert "--allow-removals" in refused.stderr
    done = json.loads(parley("knowledge", "sync", "--allow-removals", "--json", cwd=shop).stdout)
    assert (len(done["removed"]), done["held"]) == (9, {})


@pytest.mark.parametrize(
    ("option", "said", "left"),
    [("--approve-removals", "2 documents removed", 1), ("--discard-removals", "2 documents kept", 3)],
)
def test_a_held_removal_is_shown_and_decided(shop: Path, option: str, said: str, left: int) -> None:
    """All files of a folder: they may be gone by mistake."""
    file = shop / "parley.yaml"
    file.write_text(re.sub("websites: .*?}], ", "", file.read_text()))
    (shop / "more").mkdir()
    (shop / "more" / "ferns.md").write_text("# Ferns\n\nWe have ferns.")
    file.write_text(file.read_text().replace("paths: [docs]", "paths: [docs, more]"))
    assert parley("knowledge", "sync", cwd=shop).returncode == 0
    for each in (shop / "docs").iterdir():
        each.unlink()
    assert parley("knowledge", "sync", cwd=shop).returncode == 2
    shown = parley("knowledge", "status", cwd=shop).stdout
    assert "2 of 2 documents are gone, and wait for your decision; they still answer questions" in shown
    assert "\n  shipping\n" in shown
    held, well = json.loads(parley("knowledge", "status", "--json", cwd=shop).stdout)
    assert (held["location"], held["held"]["documents"], well["held"]) == ("docs", ["care", "shipping"], None)
    assert (well["last"]["result"], well["last"]["counts"]["unchanged"]) == ("succeeded", 1)
    assert said in parley("knowledge", "sync", option, cwd=shop).stdout
    assert len(json.loads(parley("knowledge", "list", "--json", cwd=shop).stdout)) == left
    assert "no removal waits" in parley("knowledge", "sync", option, cwd=shop).stderr
    assert parley("knowledge", "sync", held["source"], cwd=shop).returncode in (0, 2)


def test_one_page_is_added_and_no_private_one_that_is_not_allowed(shop: Path, website: tuple[str, Path]) -> None:
    page = f"{website[0]}care/moss.html"
    added = json.loads(parley("knowledge", "add", page, "--visibility", "verified", "--json", cwd=shop).stdout)
    assert len(added["added"]) == 1
    asked = ("knowledge", "ask", "How much mist does moss want a day?")
    assert "four litres" not in parley(*asked, cwd=shop).stdout
    assert "four litres" in parley(*asked, "--assurance", "verified", cwd=shop).stdout
    file = shop / "parley.yaml"
    file.write_text(file.read_text().replace("[127.0.0.1]", "[]"))
    refused = parley("knowledge", "add", page, cwd=shop)
    assert refused.returncode == 1
    assert f"skipped {page}: a private address" in refused.stderr
    assert "private_hosts" in refused.stderr


def test_bad_files_end_with_code_1_and_the_others_are_there(shop: Path) -> None:
    (shop / "docs" / "locked.pdf").write_bytes(document_files.encrypted_pdf())
    (shop / "docs" / "long.txt").write_text("word " * 200_000)
    done = parley("knowledge", "add", "docs", cwd=shop)
    assert (done.returncode, done.stdout) == (1, "2 added, 2 failed\n")
    assert "locked.pdf: encrypted – remove the password" in done.stderr
    assert "at most 900 KB are allowed – split it" in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["add", "nothing.pdf"], "does not exist"),
        (["add", "ftp://shop.example/"], "no source can read this"),
        (["add", "http://["], "not an address"),
        (["ask", "word " * 40_000], ""),
    ],
)
def test_an_impossible_command_is_refused_without_a_traceback(shop: Path, args: list[str], said: str) -> None:
    done = parley("knowledge", *args, cwd=shop)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_names_each_defect_and_what_to_do(shop: Path, website: tuple[str, Path]) -> None:
    """It exits with 1 while there is one; documents that nobody cites yet are none."""
    parley("knowledge", "sync", cwd=shop)
    healthy = parley("knowledge", "doctor", cwd=shop)
    assert (healthy.returncode, "4 documents checked" in healthy.stdout) == (0, True), healthy.stdout
    (shop / "docs" / "ferns.md").write_text("# Ferns\n\nWe send unpotted ferns within 4 days.")
    (shop / "docs" / "faq.md").write_text(
        f"# FAQ\n\nUnpotted ferns we send within 9 days.\n\nSee {website[0]}gone.html."
    )
    parley("knowledge", "sync", cwd=shop)
    found = parley("knowledge", "doctor", cwd=shop)
    assert found.returncode == 1
    for there in (
        "Contradictory figures (1)",
        "ferns: We send unpotted ferns within 4 days.",
        "faq: Unpotted ferns we send within 9 days.",
        "→ find out which figure is right, and correct the other document",
        "Broken links (1)",
        f"not found: {website[0]}gone.html",
    ):
        assert there in found.stdout, there
    report = json.loads(parley("knowledge", "doctor", "--no-links", "--json", cwd=shop).stdout)
    assert [each["code"] for each in report["findings"]] == ["contradictory_figures"]
    assert report["links_checked"] is None
