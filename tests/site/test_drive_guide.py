"""docs/how-to/drive.md, followed with the simulated Drive: what its files say is answered. Every option is named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from agent_worker.sources.drive.settings import DriveOptions
from tests.deploy.test_documents import make_checkout, shell
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources

PAGE = "docs/how-to/drive.md"
FOLLOWED = {PAGE: {"sh"}}
PORT = 9110


def test_the_simulated_drive_is_synced_and_answers(tmp_path: Path) -> None:
    start, ask = list_sources(PAGE, "sh")
    checkout = make_checkout(tmp_path)
    project = tmp_path / "shop"
    shutil.copytree(checkout / "examples" / "plantstore", project)
    words = start.split()
    command = [sys.executable, *words[1:-1], str(tmp_path / words[-1])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            printed = "".join(iter(simulator.stdout.readline, f'      private_hosts: ["127.0.0.1:{PORT}"]\n'))
            printed += f'      private_hosts: ["127.0.0.1:{PORT}"]\n'
            configuration = yaml.safe_load((project / "parley.yaml").read_text())
            knowledge = yaml.safe_load(printed[printed.index("    knowledge:") :])["knowledge"]
            configuration["tenants"]["plantstore"]["knowledge"] = knowledge
            (project / "parley.yaml").write_text(yaml.safe_dump(configuration))
            done = shell(checkout, f"cd {project}\nexport PATH={checkout}/.venv/bin:$PATH\n{ask}")
        finally:
            simulator.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fill up when the saucer is dry" in done.stdout


def test_the_page_names_every_option() -> None:
    named = set(re.findall(r"`(\w+)`", (ROOT / PAGE).read_text()))
    assert set(DriveOptions.model_fields) <= named
