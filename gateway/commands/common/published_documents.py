"""The documents that trials of commands answer from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.settings import Config
    from schemas.conversation import Document


async def fetch_documents(
    config: Config, tenant: str, url: str | None, scratch: Path, *, offline: bool
) -> list[Document]:
    """The published documents. Where nothing is published yet, as in CI, those in the configured folders."""
    from gateway.commands.common.instance import open_api
    from gateway.replay.candidate_documents import read_configured_documents
    from gateway.replay.recordings import RecordingReader

    published: list[Document] = []
    if not offline:
        async with open_api(config, tenant, url) as api:
            lines = [line async for line in api.stream_lines("/recordings?documents=only")]
            published = RecordingReader(iter(lines), tenant).read_head()
    return published or await read_configured_documents(config, tenant, scratch)
