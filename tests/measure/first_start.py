"""Measures how long `parley dev` takes to be ready with the example shop, at its first start and again. Prints, asserts
nothing.

python -m tests.measure.first_start [light|auto]

A first start learns the intents of `routes.yaml` and reads, splits and embeds the documents; the next one does neither.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from infra.deploy.process import free_port
from tests.bench.machine import describe_machine, processor_seconds, resident_bytes
from tests.measure.retrieval_speed import EXAMPLE

_DEADLINE_S = 180.0


def started(config: Path, encoder: str, log: Path) -> tuple[float, float, float]:
    """Seconds until it is ready, processor time of these, and MiB it then holds. It is ended again."""
    port, begun = free_port(), time.perf_counter()
    command = [sys.executable, "-m", "gateway.cli", "dev", "--config", str(config)]
    with log.open("ab") as out:
        child = subprocess.Popen(command, env={**os.environ, "PARLEY_PORT": str(port)}, stdout=out, stderr=out)
    try:
        while not _ready(port):
            if child.poll() is not None or time.perf_counter() - begun > _DEADLINE_S:
                raise SystemExit(f"not ready:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return time.perf_counter() - begun, processor_seconds(child.pid), resident_bytes(child.pid) / 2**20
    finally:
        child.terminate()
        child.wait(60)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main(encoder: str) -> None:
    print(" ".join(f"{name}: {value}" for name, value in describe_machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "plantstore"
        shutil.copytree(EXAMPLE, shop, ignore=shutil.ignore_patterns(".parley"))
        config = shop / "parley.yaml"
        config.write_text(config.read_text().replace("encoder: auto", f"encoder: {encoder}"))
        for which in ("first start", "second start", "third start"):
            seconds, processor, memory = started(config, encoder, Path(folder) / "log")
            print(f"{which}, encoder {encoder}: {seconds:.1f} s, processor {processor:.1f} s, {memory:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "auto")
