"""docs/how-to/scale-out.md, followed: Kafka, Redis and the three roles as processes of their own, and an answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml

from infra.deploy.process import free_port
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.reader import CHAT, Reader

PAGE = "docs/how-to/scale-out.md"
FOLLOWED = {PAGE: {"sh"}}
ROLE = re.compile(r"(?:PARLEY_PORT=(\d+) )?(parley run \w+)\n")


def start_servers(script: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """The page's Kafka and Redis, with their addresses as it prints them."""
    assert script.startswith(".venv/bin/python -m ")
    command = [sys.executable, *script.split()[1:]]
    # Not those of the tests.
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("KAFKA", "REDIS"))}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    addresses: dict[str, str] = {}
    while {"KAFKA_BOOTSTRAP", "REDIS_URL"} - set(addresses):
        line = process.stdout.readline()
        assert line, "the servers ended"
        name, _, address = line.strip().partition("=")
        addresses[name] = address
    return process, addresses


def change_configuration(reader: Reader, addresses: dict[str, str]) -> None:
    """Replace the lines that the page names, with the addresses of the servers in place of the page's."""
    (example,) = list_sources(PAGE, "yaml")
    example = re.sub(r"kafka://\S+", f"kafka://{addresses['KAFKA_BOOTSTRAP']}", example)
    example = re.sub(r"redis://\S+", addresses["REDIS_URL"], example)
    file = reader.folder / "parley.yaml"
    text = file.read_text()
    for line in example.splitlines(keepends=True):
        text, count = re.subn(rf"(?m)^{line.partition(':')[0]}:.*\n", line.replace("\\", r"\\"), text)
        assert count == 1, line
    file.write_text(text)
    assert yaml.safe_load(text)["bus"].startswith("kafka://")


def load_secrets(reader: Reader, script: str) -> None:
    """What the page's ``. ./secrets.sh`` does for a terminal."""
    printed = reader.run_script(f"{script}env")
    found = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("PARLEY_"))
    reader.variables |= {name: found[name] for name in ("PARLEY_SECRET_KEY", "PARLEY_ADMIN_TOKEN")}
    assert all(len(reader.variables[name]) >= 32 for name in ("PARLEY_SECRET_KEY", "PARLEY_ADMIN_TOKEN"))


@pytest.mark.slow
@pytest.mark.scaled
def test_a_reader_gets_an_answer_from_roles_that_are_processes_of_their_own(project: Reader) -> None:
    servers, *scripts = list_sources(PAGE, "sh")
    process, addresses = start_servers(servers)
    try:
        change_configuration(project, addresses)
        roles = [script for script in scripts if ROLE.fullmatch(script)]
        secrets, load, create, *rest = [script for script in scripts if script not in roles]
        assert len(roles) == 3
        project.run_script(secrets)
        load_secrets(project, load)
        for command in create.splitlines():
            if command == "parley doctor":  # which finds that these servers are for a try
                doctor = project.run(f"bash -c '{command} || true'")
                failed = re.findall(r"^fail +(.*?) {2}", doctor, re.MULTILINE)
                assert failed in ([], ["kafka offsets retention"]), doctor
            else:
                project.run(command)
        for script in roles:
            found = ROLE.fullmatch(script)
            assert found is not None
            port = str(free_port()) if found[1] else project.ports[CHAT]
            project.start(found[2], port)
        for port in project.servers:
            project.wait_for(port, "/readyz")
        (last,) = rest
        printed = project.run_script(last)
        assert "3 added" in printed
        assert "Shipping costs €4.90 within the country and €11.90 abroad." in printed
        assert "[1] Delivery" in printed
    finally:
        project.stop()
        process.terminate()
        process.communicate()
