"""An Instagram account, a client of it and a receiver of its webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.simulators.meta import Instagram
from tests.simulators.meta.client import Answer, Client
from tests.simulators.webhook_receiver import Receiver


@dataclass
class Setting:
    """A vendor, a client of it, and a receiver of its webhooks. Anna has written once."""

    vendor: Instagram
    client: Client
    receiver: Receiver

    async def send(self, message: Any, *, to: str = "anna", **more: Any) -> Answer:
        recipient = {"id": self.vendor.person(to).igsid}
        return await self.client.post("me/messages", {"recipient": recipient, "message": message, **more})

    async def act(self, action: str, **more: Any) -> Answer:
        recipient = {"id": self.vendor.person("anna").igsid}
        return await self.client.post("me/messages", {"recipient": recipient, "sender_action": action, **more})

    async def entries(self) -> list[dict[str, Any]]:
        await self.vendor.settled()
        return [entry for each in self.receiver.accepted for entry in each.json["entry"]]

    async def events(self) -> list[dict[str, Any]]:
        return [event for entry in await self.entries() for event in entry.get("messaging", [])]
