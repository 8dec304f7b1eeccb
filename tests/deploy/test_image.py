"""The image can be built from what is here: what needs no Docker is held against the tree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from infra.deploy import encoder
from tests.deploy.compose_checks import PINNED
from tests.deploy.environment_checks import unread
from tests.harness.processes import ROOT

DOCKERFILE = (ROOT / "infra" / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and line[0] not in "# "]
LOCKED = (ROOT / "requirements" / "image.txt").read_text()
PACKAGES = ("schemas", "infra", "connectors", "agent_worker", "gateway")


def sources() -> list[str]:
    """What is copied from the checkout."""
    copied = [arguments.split()[:-1] for word, arguments in STEPS if word == "COPY" and "--from" not in arguments]
    return [name for names in copied for name in names]


def test_everything_that_is_copied_is_here_and_not_ignored() -> None:
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in sources():
        assert (ROOT / name).exists(), name
        assert any(fnmatch(name, pattern) for pattern in wanted), f"{name} does not reach the builder"
    assert set(PACKAGES) < set(sources())


def test_the_image_runs_as_nobody_in_particular_and_stops_as_it_should() -> None:
    final = STEPS[max(at for at, (word, _) in enumerate(STEPS) if word == "FROM") :]
    settings = dict(final)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", settings["USER"]), "a number, so that Kubernetes can check it"
    assert settings["STOPSIGNAL"] == "SIGTERM"
    assert settings["ENTRYPOINT"] == '["parley"]', "no shell in between, which would keep the signal"
    assert not any("apt-get" in arguments for _, arguments in final), "what was needed to build stays behind"
    assert len({arguments.split()[0] for word, arguments in STEPS if word == "FROM"}) == 1, "built for what it runs on"


def test_the_image_it_is_built_on_is_pinned_by_digest() -> None:
    bases = {arguments.split()[0] for word, arguments in STEPS if word == "FROM"}
    assert all(re.search(PINNED, base) for base in bases), bases


@pytest.mark.parametrize("path", ["Makefile", "infra/deploy/Dockerfile"])
def test_lock_files_are_installed_with_hashes_and_without_resolving(path: str) -> None:
    """Otherwise a release of a dependency with extras, which is not pinned with them, breaks every install."""
    steps = re.findall(r".*pip install.*requirements/.*|.*\$\(PIP\).* -r .*", (ROOT / path).read_text())
    assert steps
    assert [step for step in steps if "--no-deps" not in step or "--require-hashes" not in step] == []


def test_dependencies_are_locked_with_hashes_and_name_no_index() -> None:
    line = r"^([a-z0-9][\w.-]*)(\[[\w,]+\])?==([\w.]+)[^\n]*\\$"
    requirements = re.findall(line, LOCKED, re.MULTILINE | re.IGNORECASE)
    assert len(requirements) > 50
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", LOCKED)) >= len(requirements)
    assert not re.search(r"^--|https?://", LOCKED, re.MULTILINE)
    names = {name.lower() for name, _, _ in requirements}
    assert {"aiokafka", "redis", "hiredis", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= names
    assert not names & {"pytest", "mypy", "ruff", "uvloop"}, "the image holds what runs, and nothing else"


def test_the_encoder_is_where_parley_looks_for_it() -> None:
    """Fetched into a cache by our own command, moved from where that puts it, and named to the processes."""
    assert f"PARLEY_CACHE=/opt/cache python -m {encoder.__name__}" in DOCKERFILE
    assert f"mv /opt/cache/encoder/{encoder.NAME} /opt/encoder" in DOCKERFILE
    assert "COPY --from=encoder /opt/encoder /opt/encoder" in DOCKERFILE
    told = [arguments for word, arguments in STEPS if word == "ENV"]
    assert unread(re.findall(r"(PARLEY_\w+)=", " ".join(told))) == []
    assert {"onnxruntime", "tokenizers"} <= set(re.findall(r"^([\w.-]+)==", LOCKED, re.MULTILINE))


@pytest.mark.parametrize("other", ["run.txt", "dev.txt"])
def test_the_image_holds_the_versions_that_are_tested(other: str) -> None:
    def versions(text: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", text, re.MULTILINE))

    ours, theirs = versions(LOCKED), versions((ROOT / "requirements" / other).read_text())
    assert {name: version for name, version in ours.items() if name in theirs and theirs[name] != version} == {}
    assert other != "run.txt" or theirs.keys() <= ours.keys()


def test_the_wheel_carries_everything_that_is_no_python(tmp_path: Path) -> None:
    """Scripts of Redis, the widget, the deployment: what is missing would only be noticed in production."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    files = [name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()]
    files = files or [str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.lua")]
    assert len(files) > 40
    assert {name for name in files if "/widget/src/" not in name} - carried == set()


def test_the_bill_of_materials_names_every_locked_version(tmp_path: Path) -> None:
    (command,) = [line for line in _dry_run("sbom") if "cyclonedx-py" in line]
    assert command.endswith(" -o reports/sbom.json")
    words = [*command.removesuffix("reports/sbom.json").split(), str(tmp_path / "sbom.json")]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    found = json.loads((tmp_path / "sbom.json").read_text())
    versions = set(re.findall(r"(?m)^([a-z0-9][\w.-]*)==([^\s;\\]+)", LOCKED))
    assert found["metadata"]["component"]["name"] == "parley-gateway"
    assert {(each["name"], each["version"]) for each in found["components"]} == versions


def _dry_run(target: str) -> list[str]:
    """The commands that make would run."""
    printed = subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return printed.splitlines()
