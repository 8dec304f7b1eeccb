"""The commands that a newcomer types first: init, --version, and what errors look like to programs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from gateway.commands.common import printing
from gateway.commands.serving import find_sample_question
from gateway.config import loader as configuration
from gateway.webchat.origins import OriginPolicy
from schemas.conversation import Document
from schemas.errors import ConfigInvalid
from schemas.ports import Passage, SearchResult
from tests.unit.gateway.test_cli import parley, process

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEMPLATES = ("shop", "clinic", "saas")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_is_valid_and_has_documents_and_an_action(template: str, tmp_path: Path) -> None:
    done = parley("init", "mine", "--template", template, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "mine" / "knowledge").glob("*.md"))) == 3
    checked = parley("config", "check", "--json", cwd=tmp_path / "mine")
    assert json.loads(checked.stdout)["problems"] == []
    loaded = configuration.load(tmp_path / "mine" / "parley.yaml", make_secrets=False)
    assert list(loaded.tenants) == [template]
    chat = loaded.tenants[template].channels.web["main"]
    policy = OriginPolicy(loaded)
    assert [policy.allows(site, chat) for site in ("http://127.0.0.1:8080", "http://shop.example")] == [True, False]
    assert loaded.tenants[template].actions.sources == [str(tmp_path / "mine" / "actions.py")]


def test_the_next_step_is_shown_as_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not on the path is named by a path from here, so the step may not change the folder."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    started = [sys.executable, "-m", "gateway.cli"]  # one that is forked is called `parley`
    assert "cd " not in (shown := process("init", "mine", cwd=tmp_path, command=started).stderr)
    assert shown.endswith(" dev --config mine/parley.yaml\n")
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/parley")
    assert parley("init", "other", cwd=tmp_path).stderr.endswith("\n  cd other\n  parley dev\n")


def test_the_configuration_is_an_argument_too(tmp_path: Path) -> None:
    parley("init", "mine", cwd=tmp_path)
    parley("init", "other", cwd=tmp_path)
    for command in (("config", "check"), ("config", "show"), ("doctor",)):
        assert "/mine/" in (done := parley(*command, "mine/parley.yaml", cwd=tmp_path)).stdout, done.stderr


def test_a_folder_named_like_a_template_is_made_from_it(tmp_path: Path) -> None:
    parley("init", "clinic", cwd=tmp_path)
    assert "clinic:" in (tmp_path / "clinic" / "parley.yaml").read_text()


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "parley.yaml").write_text("mine")
    done = parley("init", "shop", cwd=tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["parley.yaml"]
    assert (tmp_path / "shop" / "parley.yaml").read_text() == "mine"


def test_the_only_configuration_one_folder_down_is_found(tmp_path: Path) -> None:
    parley("init", "shop", cwd=tmp_path)
    assert parley("config", "check", cwd=tmp_path).returncode == 0
    parley("init", "clinic", cwd=tmp_path)
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 2, "with two of them, nothing is guessed"
    assert "there is no parley.yaml" in done.stderr


def test_the_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    done = parley("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"parley {metadata.version('parley-gateway')}\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("config", "check"), "config_invalid"),
        (("config", "check", "--colour"), "invalid_request"),
        (("turns", "show"), "invalid_request"),
        (("knowledge", "list"), "config_invalid"),
    ],
)
def test_errors_are_json_on_stdout_where_json_was_asked_for(words: tuple[str, ...], code: str, tmp_path: Path) -> None:
    done = parley(*words, "--json", cwd=tmp_path)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error.keys() == {"code", "message", "fix"}
    assert error["code"] == code
    assert error["message"]


def test_without_a_terminal_progress_is_told_in_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(printing, "PROGRESS_INTERVAL_S", 0.0)
    with printing.progress("documents of shop", 2) as step:
        step("one.md")
        step("two.md")
    assert capsys.readouterr().err == "documents of shop: 1 of 2\ndocuments of shop: 2 of 2\n"


class FixedKnowledge:
    """Knowledge that answers each question from the document with this id, as surely as told."""

    def __init__(self, documents: dict[str, str], answers: dict[str, tuple[str, float]]) -> None:
        self._documents = documents
        self._answers = answers

    async def documents(self, tenant: str) -> list[Document]:
        return [
            Document(id=name, title=name, body=body, version=1, updated_at=NOW)
            for name, body in self._documents.items()
        ]

    async def search(self, tenant: str, query: str, *, k: int = 8) -> SearchResult:
        document, sure = self._answers[query]
        found = Passage(tenant=tenant, document=document, version=1, title="", heading="", text="", url="", score=1.0)
        return SearchResult([found], sure > 0.5, sure)


async def test_the_sample_question_is_one_that_its_own_document_answers() -> None:
    body = "# Delivery\n\n## How long does delivery take?\n\nA day.\n\n## Where are you based?\n\nHere.\n"
    answers = {"How long does delivery take?": ("delivery", 0.8), "Where are you based?": ("returns", 0.9)}
    knowledge = FixedKnowledge({"delivery": body, "returns": "# Returns\n\nText.\n"}, answers)
    assert await find_sample_question(knowledge, "shop") == "How long does delivery take?"  # type: ignore[arg-type]


async def test_there_is_no_sample_question_where_no_heading_asks() -> None:
    knowledge = FixedKnowledge({"returns": "# Returns\n\nWhat a day? Text.\n"}, {})
    assert await find_sample_question(knowledge, "shop") == ""  # type: ignore[arg-type]


def test_a_missing_configuration_points_to_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigInvalid) as raised:
        configuration.find_file(None, {})
    assert "parley init" in raised.value.fix
