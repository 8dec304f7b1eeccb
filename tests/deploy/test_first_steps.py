"""A newcomer who has nothing but the wheel gets to a first answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.deploy.first_steps import ask_new_project, build_wheel


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
