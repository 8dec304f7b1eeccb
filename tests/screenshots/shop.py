"""The example shop with its people, as the pictures show it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.screenshots.pictures import ROOT

INDEXED = 300.0
"""Seconds for a first look at all documents."""


@asynccontextmanager
async def shop(
    fork_server: ForkServer, change: Callable[[dict[str, Any]], None], **env: str
) -> AsyncIterator[Installation]:
    """A copy of it, with its configuration changed."""
    with tempfile.TemporaryDirectory(prefix="parley-pictures-") as home:
        folder = Path(home) / "plantstore"
        shutil.copytree(ROOT / "examples" / "plantstore", folder, ignore=shutil.ignore_patterns(".parley"))
        config = yaml.safe_load((folder / "parley.yaml").read_text())
        change(config)
        (folder / "parley.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        parley = Installation(fork_server, folder, False, folder / "parley.yaml")
        await parley.start(wait=False, env={"PARLEY__ENCODER": "light", **env})
        try:
            await parley.roles["dev"].ready(INDEXED)
            yield parley
        finally:
            await parley.stop()
