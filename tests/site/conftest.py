"""The documentation site, built once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.harness.processes import ROOT, ForkServer
from tests.site.reader import CHAT, Reader


@dataclass
class SitePage(HTMLParser):
    """``links``: addresses to follow. ``loads``: addresses that a browser fetches by itself."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") != "canonical":
            self.loads.append(found["href"])
        if "src" in found:
            self.loads.append(found["src"])

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass(frozen=True)
class Site:
    """``printed``: the output of the build."""

    folder: Path
    printed: str
    pages: dict[Path, SitePage]

    def page(self, name: str) -> SitePage:
        return self.pages[self.folder / name / "index.html"]


@pytest.fixture(scope="session", autouse=True)
def quick_programs(fork_server: ForkServer) -> None:
    """Let the commands of the pages be processes without an import of all modules."""
    Reader.programs = fork_server.programs


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    somebody = Reader(tmp_path)
    yield somebody
    somebody.stop()


@pytest.fixture
def project(reader: Reader) -> Reader:
    """A reader in the folder of the shop that `parley init` begins."""
    reader.variables["PARLEY_ENCODER"] = "light"
    reader.run("parley init shop")
    reader.folder = reader.home / "shop"
    return reader


@pytest.fixture
def shop(project: Reader) -> Reader:
    """A reader in the folder of their shop, which runs."""
    project.serve("parley dev", project.ports[CHAT], "/readyz")
    return project


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {}
    for path in folder.rglob("*.html"):
        pages[path] = SitePage()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return Site(folder, done.stdout + done.stderr, pages)
