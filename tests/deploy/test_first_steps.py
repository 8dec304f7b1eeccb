"""A newcomer who has nothing but the wheel gets to a first answer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.metadata import Distribution, distribution, metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.deploy.environment_checks import command_problems
from tests.deploy.first_steps import ask_new_project, build_command, build_wheel
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources

PAGE = "docs/how-to/install.md"
FOLLOWED = {PAGE: {"sh"}}


def test_the_page_takes_the_steps_that_are_tested(tmp_path: Path) -> None:
    """Those of the test below, and of `make check-wheel`, which needs a package index."""
    prepare, build, new, install, init, start, more = [
        line for script in list_sources(PAGE, "sh") for line in script.splitlines()
    ]
    assert (
        subprocess.run(["make", "--dry-run", prepare.removeprefix("make ")], cwd=ROOT, capture_output=True).returncode
        == 0
    )
    words = build.replace("--wheel-dir dist", f"--wheel-dir {tmp_path}").split()
    assert words == [".venv/bin/python", *build_command(tmp_path, ".")]
    assert (new, init) == ("python3 -m venv shop-env", "shop-env/bin/parley init shop")
    assert fnmatch("dist/parley_gateway-0.1.0-py3-none-any.whl", install.removeprefix("shop-env/bin/pip install "))
    assert command_problems(start.removeprefix("shop-env/bin/parley ").split()) == []
    (wanted,) = shlex.split(more.removeprefix("shop-env/bin/pip install "))
    extras = set(metadata("parley-gateway").get_all("Provides-Extra") or [])
    assert Requirement(wanted).extras <= extras
    shown = {name for row in re.findall(r"^\| (`.*?) \|", (ROOT / PAGE).read_text(), re.MULTILINE)
             for name in re.findall(r"`(\w+)`", row)}  # fmt: skip
    assert shown == extras - {"dev", "build"}


def test_a_new_project_answers_where_only_the_wheel_is_installed(tmp_path: Path) -> None:
    """In an environment without any extra: no vendor's library, no Kafka, no Redis, no sentence encoder."""
    wheel = build_wheel(tmp_path)
    python = _environment(tmp_path / "venv", {each.name: each for each in _runtime("parley-gateway")}.values())
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True, timeout=120)
    (project := tmp_path / "somewhere").mkdir()
    answer = ask_new_project(python.with_name("parley"), project, "How long does delivery take?")
    assert "1 to 3 working days" in answer["text"]
    assert answer["citations"][0]["document"] == "delivery"


def _runtime(name: str, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """What pip would install for a distribution beside itself, taken from this environment's locked versions."""
    for line in distribution(name).requires or []:
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield distribution(wanted.name)
            yield from _runtime(wanted.name, frozenset(wanted.extras))


def _environment(folder: Path, installed: Iterable[Distribution]) -> Path:
    """A virtual environment that holds exactly the given distributions; the path of its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    python = folder / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    site = Path(found.stdout.strip())
    for each in installed:
        for file in each.files or []:
            source = Path(str(each.locate_file(file))).resolve()
            if ".." not in file.parts and source.is_file():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(source, site / file)
                except OSError:  # on another file system
                    shutil.copy2(source, site / file)
    return python
