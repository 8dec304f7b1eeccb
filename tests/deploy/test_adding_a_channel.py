"""docs/adding-a-channel.md builds what it says, block by block; `parley new channel` makes a channel that works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import CHANNELS
from gateway.scaffold import KUBERNETES, new_channel
from schemas.errors import Conflict, InvalidRequest, ParleyError
from tests.harness.checkout import Checkout
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks

PAGE = ROOT / "docs" / "adding-a-channel.md"
FOLLOWED = {"docs/adding-a-channel.md": {"console", "python", "json", "yaml"}}
ANSWER = "In winter we add a heat pack to every parcel with tropical plants for 4.50 euro. [1]"
MOST_LINES = 150
LONG_NAME = "a" * 30


def blocks() -> list[Block]:
    return list_blocks("docs/adding-a-channel.md")


def commands(block: Block) -> list[list[str]]:
    return [shlex.split(line.removeprefix("$ ")) for line in block.text.splitlines()]


def followed(checkout: Checkout) -> dict[str, str]:
    """Do what the page says, in its order; what each command printed."""
    printed = {}
    for block in blocks():
        if block.kind == "console":
            for command in commands(block):
                printed[" ".join(command)] = carried_out(checkout, command)
        elif block.about.startswith("shown "):
            shown = checkout.folder / block.about.removeprefix("shown ")
            assert json.loads(shown.read_text()) == json.loads(block.text), shown
        elif block.about != "vendor":
            file = checkout.folder / block.about
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    return printed


def carried_out(checkout: Checkout, command: list[str]) -> str:
    if command[:2] == ["rm", "-r"]:
        for folder in command[2:]:
            for file in (checkout.folder / folder).iterdir():
                file.unlink()
            (checkout.folder / folder).rmdir()
        return ""
    return checkout.does(*command, PIGEON_TOKEN="4200:token", PIGEON_SECRET="secret")


def whole(printed: str) -> dict[str, Any]:
    """The conversation that a command printed."""
    told: dict[str, Any] = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
    return told


def clean(checkout: Checkout, name: str) -> None:
    checkout.does("ruff", "check", f"connectors/{name}", "connectors/registry.py")
    checkout.does("ruff", "format", "--check", f"connectors/{name}", "connectors/registry.py")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, str]]:
    checkout = Checkout.copy(tmp_path_factory.mktemp("page"))
    return checkout, followed(checkout)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.copy(tmp_path_factory.mktemp("generated"))
    checkout.does("parley", "new", "channel", "heron")
    return checkout


@pytest.mark.slow
def test_the_channel_of_the_page_passes_the_shared_harness(page: tuple[Checkout, dict[str, str]]) -> None:
    """Its fixtures are what the page shows, its outcomes are what the page says, and no case is missing."""
    told = page[1]["python -m pytest tests/channels/test_fixtures.py -k pigeon"]
    assert re.search(r"^\d\d passed", told.splitlines()[-1].strip("= ")), told


@pytest.mark.slow
def test_the_channel_of_the_page_holds_the_conversation_that_the_page_shows(
    page: tuple[Checkout, dict[str, str]],
) -> None:
    told = whole(page[1]["python -m tests.channels.conversation pigeon"])
    assert [line["author"] for line in told["transcript"]] == ["contact", "agent"]
    assert told["transcript"][1] == {"author": "agent", "text": ANSWER, "state": "sent"}
    (shown,) = [json.loads(block.text) for block in blocks() if block.about == "vendor"]
    assert told["vendor"] == [shown]


@pytest.mark.slow
def test_the_code_of_the_page_is_short_and_in_house_style(page: tuple[Checkout, dict[str, str]]) -> None:
    checkout = page[0]
    code = [path.read_text().splitlines() for path in (checkout.folder / "connectors" / "pigeon").glob("*.py")]
    assert sum(len(lines) for lines in code) < MOST_LINES
    clean(checkout, "pigeon")


@pytest.mark.slow
def test_the_page_and_the_example_pass_the_type_checker(
    page: tuple[Checkout, dict[str, str]], generated: Checkout
) -> None:
    shown, made = page[0].folder / "connectors" / "pigeon", generated.folder / "connectors" / "pigeon"
    made.mkdir()
    for file in shown.glob("*.py"):
        (made / file.name).write_text(file.read_text())
    generated.does("mypy", "--strict", "connectors/pigeon", "connectors/heron", "connectors/registry.py")


@pytest.mark.slow
def test_a_new_channel_works_as_it_is_written(generated: Checkout) -> None:
    """It is in house style, has every case, and answers a question through a whole installation."""
    clean(generated, "heron")
    generated.does("python", "-m", "pytest", "tests/channels/test_fixtures.py")
    told = whole(generated.does("python", "-m", "tests.channels.conversation", "heron"))
    assert told["transcript"][1] == {"author": "agent", "text": ANSWER, "state": "sent"}
    (sent,) = told["vendor"]
    assert (sent["path"], sent["body"]["recipient"]) == ("/messages", "u-anna")
    assert sent["body"]["reference"]


@pytest.mark.slow
def test_a_new_channel_has_all_files_that_the_shared_tests_ask_for(generated: Checkout) -> None:
    """Its workers scale as those of every channel, and the published document names it once it is written again."""
    generated.does("python", "-m", "pytest", "tests/deploy/test_kubernetes.py", "-k", "workers or objects")
    generated.does("parley", "schema", "export", "--out", "tests/golden")
    generated.does("python", "-m", "pytest", "tests/unit/test_schema_export.py", "tests/unit/test_channel_names.py")


@pytest.mark.slow
def test_a_new_channels_outcomes_are_those_that_its_code_makes(generated: Checkout) -> None:
    """The example's outcomes were not written by hand and forgotten."""
    fixtures = generated.folder / "connectors" / "heron" / "fixtures"
    before = {path: path.read_text() for path in fixtures.rglob("*.json")}
    generated.does("python", "-m", "tests.channels.record", "heron")
    assert {path: path.read_text() for path in fixtures.rglob("*.json")} == before


def test_parley_new_channel_lists_the_files_and_the_next_steps(tmp_path: Path) -> None:
    told = Checkout(ROOT).does("parley", "new", "channel", LONG_NAME, "--checkout", str(sketch(tmp_path)))
    workers = f"{KUBERNETES}/channels/{LONG_NAME}"
    for name in ("connectors/registry.py", f"connectors/{LONG_NAME}/channel.py", workers, PAGE.name):
        assert name in told
    text = "".join(path.read_text() for path in (tmp_path / "connectors" / LONG_NAME).rglob("*") if path.is_file())
    assert "newchannel" not in text.lower()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    clean(Checkout(tmp_path), LONG_NAME)


@pytest.mark.parametrize("name", ["Heron", "my-heron", "h", "4heron", "../heron", "class", "héron", "a" * 31, ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    refused(sketch(tmp_path), name, InvalidRequest)


@pytest.mark.parametrize("name", ["web", "markup", "inbound"])
def test_a_name_that_is_taken_by_a_channel_a_folder_or_a_module_is_refused(tmp_path: Path, name: str) -> None:
    refused(sketch(tmp_path), name, Conflict)


def test_a_folder_without_parley_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "connectors").mkdir()
    refused(tmp_path, "heron", InvalidRequest)
    done = Checkout(ROOT).run("parley", "new", "channel", "heron", "--checkout", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error[invalid_request]: ")
    assert "fix: " in done.stderr


def test_the_page_is_found_from_the_front_page() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "docs/adding-a-channel.md" in (ROOT / name).read_text()


def test_everything_that_the_page_names_exists() -> None:
    text = re.sub(r"^```.*?^```$", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`((?:connectors|schemas|tests|infra)/[\w./]+)`", text))
    assert len(named) >= 10
    assert {name for name in named if not (ROOT / name).exists()} == {"connectors/pigeon/"}


def sketch(folder: Path) -> Path:
    """As much of a checkout as a new channel touches."""
    connectors = folder / "connectors"
    connectors.mkdir()
    (connectors / "registry.py").write_text((ROOT / "connectors" / "registry.py").read_text())
    (connectors / "inbound.py").touch()
    for name in (*CHANNELS, "markup"):
        (connectors / name).mkdir()
    (folder / KUBERNETES / "channels").mkdir(parents=True)
    overview = KUBERNETES / "kustomization.yaml"
    (folder / overview).write_text((ROOT / overview).read_text())
    return folder


def refused(checkout: Path, name: str, error: type[ParleyError]) -> None:
    """With a way out, and without a change."""
    before = tree(checkout)
    with pytest.raises(error) as raised:
        new_channel(name, checkout)
    assert raised.value.fix
    assert tree(checkout) == before


def tree(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.is_file() else "" for path in folder.rglob("*")}
