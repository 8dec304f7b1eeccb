"""Files of ours: announced, uploaded, and then shown, all in one message.

https://docs.slack.dev/messaging/working-with-files#upload
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from connectors.slack.client import Client, lowered
from connectors.slack.errors import failure
from schemas.errors import NotFound, SendDelayed, SendRefused
from schemas.messages import Attachment
from schemas.ports import Call, Reply

ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]


async def uploaded(client: Client, call: Call, tenant: str, read_file: ReadFile, arguments: Mapping[str, Any]) -> Reply:
    """The answer to the step that shows them, or to the first that failed. Raises SendDelayed, SendRefused (a file of
    ours is gone), SendUnknown (only of the last step: nobody sees anything before)."""
    files = []
    for file in call.files:
        try:
            _, data = await read_file(tenant, file.id)
        except NotFound as error:
            raise SendRefused("file_gone") from error
        reply = await client.ask("files.getUploadURLExternal", {"filename": file.name, "length": len(data)})
        if failure(reply) is None:
            files.append({"id": reply.body.get("file_id"), "title": file.name})
            reply = await _put(client, str(reply.body.get("upload_url")), data)
        if failure(reply) is not None:
            return reply
    return await client.call(call.operation, {**arguments, "files": files})


async def _put(client: Client, address: str, data: bytes) -> Reply:
    try:
        async with client.session.post(address, data=data) as response:
            done = 200 <= response.status < 300
            if response.status >= 500:
                raise SendDelayed("Slack takes no files now")
            return Reply(response.status, {"ok": True} if done else "", lowered(response.headers))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise SendDelayed("Slack takes no files now") from error
