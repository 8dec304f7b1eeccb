"""Row ``connectors``: what the process of each channel's connector takes to start, and how much memory it holds idle.

python -m tests.bench.connectors PORT CONFIG CHANNEL    such a process, connected to the channel's accounts
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from tests.bench.figures import Row, ValueRange
from tests.bench.machine import resident_bytes
from tests.bench.setup import Stage, tenants
from tests.bench.worker import outcome

MODULE = "tests.bench.connectors"
NOBODY = "127.0.0.1:9"
"""Where vendors are said to be. Nothing is sent, but nothing could leave this machine either."""


async def measure(stage: Stage) -> list[Row]:
    from connectors.registry import CHANNELS

    channels = {name: accounts(name) for name in CHANNELS}
    installation = await stage.installation(scaled=True, tenants=tenants(channels=channels))
    rows = []
    for name in ("whatsapp",) if stage.quick else CHANNELS:
        found: dict[str, list[float]] = {"ready_s": [], "import_s": [], "own_import_ms": [], "mib": []}
        for _ in range(stage.times(3, 1)):
            for what, value in (await _once(stage, str(installation.config), name)).items():
                found[what].append(value)
        memory = ValueRange.of(found.pop("mib"))
        about = {what: str(ValueRange.of(values)) for what, values in found.items()}
        what = f"the connector process of {name}, idle, its accounts connected: memory"
        rows.append(Row(f"connector {name}", what, "MiB", memory, detail=about))
    return rows


async def _once(stage: Stage, config: str, channel: str) -> dict[str, float]:
    begun = time.perf_counter()
    process = await stage.program(MODULE, config, channel)
    told = await outcome(process)
    await process.ready(60)
    ready = time.perf_counter() - begun
    memory = resident_bytes(process.pid) / 2**20
    await process.stop()
    return {"ready_s": ready, "mib": memory, **told}


def accounts(channel: str) -> dict[str, Any]:
    """Those of the channel's fixtures, at vendors that are not there."""
    from tests.channels import fixture_cases

    path = fixture_cases.fixtures(channel) / "account.json"
    if not path.exists():
        return {"main": {}}
    return {name: settings | _nowhere(settings) for name, settings in fixture_cases.read(path).items()}


def _nowhere(settings: dict[str, Any]) -> dict[str, str]:
    addresses = {"api_base": f"http://{NOBODY}", "gateway_url": f"ws://{NOBODY}", "content_base": f"http://{NOBODY}"}
    return {name: address for name, address in addresses.items() if name == "api_base" or name in settings}


async def serve(port: int, path: Path, channel: str) -> None:
    begun = time.perf_counter()
    from connectors.channel_services import ChannelServices
    from connectors.registry import open_channel
    from gateway.config.loader import load
    from gateway.wiring import compose
    from gateway.wiring.process_services import build_account_lookup

    config = load(path).model_copy(update={"listen": f"127.0.0.1:{port}"})
    shared = time.perf_counter()
    nothing: Any = None
    opened = open_channel(channel, ChannelServices(nothing, nothing, compose.utc_now, nothing))
    known = build_account_lookup(config)
    settings = getattr(config.tenants["plantstore"].channels, channel)
    connected = [opened.connect(account) for name in settings if (account := known("plantstore", channel, name))]
    ended = time.perf_counter()
    print("RESULT " + json.dumps({"import_s": ended - begun, "own_import_ms": (ended - shared) * 1000}), flush=True)
    try:
        await compose.serve_role(config, "connectors", [channel])
    finally:
        for connection in connected:
            await connection.close()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
