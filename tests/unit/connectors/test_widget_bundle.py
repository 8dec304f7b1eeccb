"""The built widget in the repository is the one its source makes, is small, and asks nothing of anybody else."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "connectors" / "web" / "widget"
LIMIT = 20 * 1024
"""Bytes of the bundle, compressed as it is served."""


def test_the_bundle_is_built_from_this_source() -> None:
    """The build writes the hash of all it read into the first line; `make widget` builds anew."""
    head, _, code = (FOLDER / "widget.js").read_text("utf-8").partition("\n")
    source, built = re.findall(r"[0-9a-f]{64}", head)
    names = ["build.mjs", "package-lock.json", *(f"src/{path.name}" for path in (FOLDER / "src").iterdir())]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0".encode() + (FOLDER / name).read_bytes() + b"\0")
    assert source == digest.hexdigest(), "the source was changed after the last `make widget`"
    assert built == hashlib.sha256(code.encode()).hexdigest(), "the bundle was changed by hand"


def test_the_bundle_is_at_most_20_kib() -> None:
    assert len(gzip.compress((FOLDER / "widget.js").read_bytes(), 9)) <= LIMIT


def test_the_bundle_runs_no_text_and_inserts_no_html() -> None:
    """The one way from the server's HTML into the page is the walk in dom.ts, which keeps what is listed."""
    code = (FOLDER / "widget.js").read_text("utf-8")
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML", code)
    assert code.count("parseFromString(") == 1
    assert not re.search(r"importScripts|import\(|\.cssText|setAttribute\([\"']style", code)


def test_no_address_of_anybody_else_is_in_the_bundle() -> None:
    """A namespace is not an address."""
    code = (FOLDER / "widget.js").read_text("utf-8")
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", code)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in code
    assert "url(" not in code


def test_every_language_has_all_the_words_and_their_blanks() -> None:
    """A word that is missing would be said in English amid another language."""
    english = dict(re.findall(r'^  (\w+): "(.*)",$', (FOLDER / "src" / "strings.ts").read_text("utf-8"), re.MULTILINE))
    assert english
    languages = {path.stem: json.loads(path.read_text("utf-8")) for path in (FOLDER / "locales").glob("*.json")}
    assert {"de", "ar"} <= languages.keys()
    for language, table in languages.items():
        assert table.keys() == english.keys(), language
        for key, text in table.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), (language, key)


def test_the_tools_are_pinned_by_content_and_by_no_registry() -> None:
    """Anybody can install them from the registry they use."""
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in package and package["integrity"] for package in packages.values())
