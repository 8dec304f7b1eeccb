"""The tests that `make test` leaves to `make test-nightly`, which runs everything."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

NIGHTLY: Mapping[str, str] = {
    "tests/scenarios/": "every scenario on every channel, and kills meanwhile",
    "tests/faults/": "outages, kills and overload",
    "tests/deploy/": "images, charts, upgrades and secured servers",
    "tests/canaries/": "a search of every byte after erasures",
    "tests/fuzz/": "mutated requests and payloads",
    "tests/screenshots/": "the pictures of the documentation",
    "tests/widget/": "the chat widget in a browser",
    "tests/console/test_accessibility.py": "the console in a browser",
    "tests/console/test_openid.py": "the console in a browser, with an identity provider",
    "tests/contracts/state/test_cluster.py": "Redis Cluster",
    "tests/contracts/state/test_sentinel.py": "Redis Sentinel",
    "tests/contracts/state/test_redis_failures.py": "outages of Redis",
    "tests/contracts/state/test_retention_kills.py": "kills",
    "tests/contracts/bus/test_kafka_outages.py": "outages of a broker",
    "tests/unit/agent_worker/test_answers.py::test_answers_are_no_worse_than_before[strong]": "sentence encoders",
    "tests/unit/agent_worker/test_multilingual.py": "sentence encoders",
    "tests/unit/agent_worker/test_sentence_encoder.py": "sentence encoders",
    "tests/unit/agent_worker/transcription/test_whisper.py": "Whisper",
    "tests/unit/gateway/test_state_engines.py::test_the_contract_suite_runs_on_an_added_engine": "contracts once more",
    "tests/unit/gateway/test_encoders.py": "sentence encoders",
    "tests/e2e/media/": "files and voice notes on every channel, with Whisper",
    "tests/e2e/test_backup.py": "backups of whole installations",
    "tests/e2e/test_desk_races.py": "races of people and the agent at the desk",
    "tests/e2e/test_erasure_requests.py": "erasure under kills and load",
    "tests/e2e/test_replay.py": "replays of whole installations",
    "tests/e2e/test_source_sync.py": "kills while sources are read",
}
"""Folders, files and tests, and what they are about."""
NIGHTLY_SERVERS = ("redis_cluster",)
"""Engines that the contract suites run on as well; they stand in the ids of the tests."""
SAMPLES = (
    "tests/faults/test_kills.py",
    "tests/scenarios/test_embedded.py",
    "tests/scenarios/test_scaled.py",
    "tests/widget/test_conversation.py",
)
"""Files of those folders that stay. Kills and scenarios are fewer (``tests.harness.sizes.DAILY``): one kill of each
role and one scenario of each channel, on either engine."""
WHEN_CHANGED: Mapping[str, tuple[str, ...]] = {
    "tests/simulators/": ("tests/simulators/",),
    "tests/measure/": ("tests/bench/", "tests/measure/"),
    "tests/site/": ("docs/", "mkdocs.yml", "tests/site/"),
}
"""Folders of tests, and the paths of which they test nothing but these: they run when one of them has changed since the
last commit on the main branch."""
LONG = ("tests/torture/", "tests/bench/", "tests/finetune/")
"""Run by commands of their own, for as long as one likes."""


@dataclass(frozen=True)
class Selection:
    """``files`` are given to pytest, with ``options`` about tests in them; ``left_out`` says why each other file
    is not among them."""

    files: list[str]
    options: list[str]
    left_out: Mapping[str, list[str]]

    def describe(self) -> str:
        return f"left to make test-nightly: {', '.join(self.left_out)}" if self.left_out else "all tests"


def select(root: Path, *, everything: bool) -> Selection:
    """Choose the test files of a run."""
    files = sorted(str(file.relative_to(root)) for file in (root / "tests").rglob("test_*.py"))
    files = [file for file in files if not file.startswith(LONG)]
    if everything:
        return Selection(files, [], {})
    changed = find_changes(root)
    unchanged = [
        folder for folder, watched in WHEN_CHANGED.items() if not any(_begins(path, watched) for path in changed)
    ]
    left_out: dict[str, list[str]] = {}
    for file in files:
        for name in (*NIGHTLY, *unchanged):
            if file.startswith(name) and file not in SAMPLES:
                left_out.setdefault(f"{name} (unchanged)" if name in unchanged else name, []).append(file)
    skipped = {file for several in left_out.values() for file in several}
    options = [f"--deselect={name}" for name in NIGHTLY if "::" in name]
    options += ["-k", " and ".join(f"not {server}" for server in NIGHTLY_SERVERS)]
    return Selection([file for file in files if file not in skipped], options, left_out)


def _begins(path: str, prefixes: Iterable[str]) -> bool:
    return path.startswith(tuple(prefixes))


def find_changes(root: Path) -> list[str]:
    """List the paths that differ from the last commit that landed on the main branch, new files included. Empty where
    there is no repository."""
    for main in ("origin/main", "main"):
        if base := _git(root, "merge-base", "HEAD", main):
            return _git(root, "diff", "--name-only", base[0]) + _git(root, "ls-files", "--others", "--exclude-standard")
    return []


def _git(root: Path, *command: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []
