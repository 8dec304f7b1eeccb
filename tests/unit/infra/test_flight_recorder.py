"""The flight recorder watches the event loop of a process without endangering it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.harness.processes import ROOT

STALLING = """
import sys, time
from pathlib import Path
from infra.flight_recorder import FlightRecorder

folder = Path(sys.argv[1])
recorder = FlightRecorder(folder, 0.5)
recorder.start()
stall, ends = folder / "stall.txt", time.monotonic() + 60
for _ in range(3):
    while not stall.read_text() and time.monotonic() < ends:
        sorted(range(20), key=lambda each: -each)
    print(stall.read_text(), end="")
    recorder.heartbeat()
recorder.close()
"""


def test_a_stall_in_python_code_is_noted_without_its_frames(tmp_path: Path) -> None:
    """The interpreter's watchdog would read them while they change, which may end the process."""
    command = [sys.executable, "-c", STALLING, str(tmp_path / "flight")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("the event loop did not come round") == 3
    assert "File" not in done.stdout
