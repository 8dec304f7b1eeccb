"""The built widget in the repository is the one its source makes, is small, and asks nothing of anybody else."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from agent_worker.translations import LANGUAGES
from connectors.markup import find_labels

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
    assert {*languages, "en"} == {*LANGUAGES}
    for language, table in languages.items():
        assert table.keys() == english.keys(), language
        for key, text in table.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), (language, key)


def test_no_english_is_left_in_the_words_of_another_language() -> None:
    """A few words are the same in two languages, such as "Sources" in French; most of a table is not."""
    english = dict(re.findall(r'^  (\w+): "(.*)",$', (FOLDER / "src" / "strings.ts").read_text("utf-8"), re.MULTILINE))
    for path in (FOLDER / "locales").glob("*.json"):
        same = [key for key, text in json.loads(path.read_text("utf-8")).items() if text == english[key]]
        assert set(same) <= {"conversation", "sources", "source"}, path.stem


@pytest.mark.parametrize("language", LANGUAGES)
def test_sources_have_the_same_name_on_all_channels(language: str) -> None:
    """The chat's heading is the one that other channels write; labels of buttons have at most 20 characters there."""
    path = FOLDER / "locales" / f"{language}.json"
    labels = find_labels(language)
    assert labels.sources == ("Sources" if language == "en" else json.loads(path.read_text("utf-8"))["sources"])
    assert 0 < len(labels.options) <= 20
    assert find_labels(f"{language}-XX") == labels


def test_labels_are_english_where_there_is_no_translation() -> None:
    assert find_labels("fi") == find_labels("") == find_labels("en")


def test_the_tools_are_pinned_by_content_and_by_no_registry() -> None:
    """Anybody can install them from the registry they use."""
    lock = json.loads((FOLDER / "package-lock.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in package and package["integrity"] for package in packages.values())
