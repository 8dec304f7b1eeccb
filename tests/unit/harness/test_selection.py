"""`make test` takes a selection of the tests; `make test-nightly` takes all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import selection
from tests.harness.processes import ROOT
from tests.selection import LONG, NIGHTLY, NIGHTLY_SERVERS, SAMPLES, WHEN_CHANGED, find_changes, select


def git(folder: Path, *command: str) -> None:
    name = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    subprocess.run(["git", "-C", str(folder), *name, *command], check=True, capture_output=True)


def test_everything_that_is_named_is_there() -> None:
    watched = [path for paths in WHEN_CHANGED.values() for path in paths]
    named = [*NIGHTLY, *SAMPLES, *WHEN_CHANGED, *watched, *LONG]
    assert [name for name in named if not (ROOT / name.partition("::")[0]).exists()] == []
    tests = [name.partition("[")[0].split("::") for name in NIGHTLY if "::" in name]
    assert [test for file, test in tests if f"def {test}(" not in (ROOT / file).read_text()] == []
    assert [sample for sample in SAMPLES if not sample.startswith(tuple(NIGHTLY))] == []
    servers = (ROOT / "tests" / "contracts" / "state" / "other_servers.py").read_text()
    assert [server for server in NIGHTLY_SERVERS if f'"{server}"' not in servers] == []


def test_the_nightly_run_takes_every_file_and_the_daily_run_those_that_no_reason_excludes() -> None:
    files = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")}
    every = set(select(ROOT, everything=True).files)
    assert {file for file in files - every if not file.startswith(LONG)} == set()
    daily = select(ROOT, everything=False)
    left_out = {file for several in daily.left_out.values() for file in several}
    assert (left_out | set(daily.files), left_out & set(daily.files)) == (every, set())
    assert set(SAMPLES) <= set(daily.files)


def test_the_tests_of_a_simulator_run_when_it_has_changed_since_the_last_commit_on_main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = tmp_path / "tests" / "simulators" / "test_slack.py"
    test.parent.mkdir(parents=True)
    test.write_text("")
    assert find_changes(tmp_path) == []
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message=Land")
    monkeypatch.setattr(selection, "NIGHTLY", {})
    assert select(tmp_path, everything=False).left_out == {
        "tests/simulators/ (unchanged)": ["tests/simulators/test_slack.py"]
    }
    git(tmp_path, "checkout", "-b", "work")
    (tmp_path / "README.md").write_text("changed elsewhere")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message=Work")
    assert select(tmp_path, everything=False).files == []
    (test.parent / "slack.py").write_text("new, not committed")
    assert select(tmp_path, everything=False).files == ["tests/simulators/test_slack.py"]
