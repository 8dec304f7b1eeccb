"""Known vulnerabilities of locked versions are told, without a network, until somebody accepts them with a reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.deploy import advisories
from infra.deploy.advisories import SNAPSHOT, Snapshot, find_unknown, find_vulnerable, read_locked, take_snapshot

KNOWN = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": None,
    "fixed_in": ["1.1"],
    "details": "long",
    "withdrawn": None,
}
ANSWERS = {
    "/api/old/1.0/json": {"info": {"version": "1.0"}, "vulnerabilities": [KNOWN]},
    "/api/new/json": {"info": {"version": "2.0"}, "vulnerabilities": [KNOWN | {"id": "X", "withdrawn": "2026-01-01"}]},
    "/api/moved/json": {"info": {"version": "9.9"}, "vulnerabilities": [KNOWN]},
}
LOCKED = {"moved": {"1.0"}, "new": {"2.0"}, "old": {"1.0"}}
TODAY = date(2026, 11, 30)


class Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = ANSWERS.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


def test_a_snapshot_tells_vulnerable_versions_and_unknown_ones(address: str) -> None:
    snapshot = take_snapshot(address, LOCKED, TODAY, {})
    assert find_vulnerable(LOCKED, snapshot) == ["old 1.0: PYSEC-2026-1, CVE-2026-1: no summary (fixed in 1.1)"]
    assert find_unknown(LOCKED, snapshot) == ["moved 1.0"]
    assert Snapshot.model_validate_json(snapshot.model_dump_json(exclude_defaults=True)) == snapshot


def test_an_accepted_advisory_is_told_no_more(address: str) -> None:
    snapshot = take_snapshot(address, LOCKED, TODAY, {"CVE-2026-1": "we do not call the function"})
    assert find_vulnerable(LOCKED, snapshot) == []


def test_versions_are_read_from_lock_files(tmp_path: Path) -> None:
    (file := tmp_path / "lock.txt").write_text(
        "# by uv\nold==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:00\nnew==2.0\n"
    )
    assert read_locked([file]) == {"old": {"1.0"}, "new": {"2.0"}}


def test_no_locked_version_is_known_to_be_vulnerable(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(["check"]) == 0
    locked, snapshot = read_locked(), Snapshot.model_validate_json(SNAPSHOT.read_bytes())
    assert len(locked) > 200
    assert len(find_unknown(locked, snapshot)) < 0.1 * len(locked), "make advisories FROM=ADDRESS takes a new snapshot"
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 known vulnerabilities in ")
