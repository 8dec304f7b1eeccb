"""A WhatsApp number, a client of it and a receiver of its webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.simulators.meta import WhatsApp
from tests.simulators.meta.client import Answer, Client
from tests.simulators.webhook_receiver import ReceivedRequest, Receiver


@dataclass
class Setting:
    """A vendor, a client of it, and a receiver of its webhooks. Anna has written once."""

    vendor: WhatsApp
    client: Client
    receiver: Receiver

    def body(self, kind: str, what: Any, **more: Any) -> dict[str, Any]:
        to = self.vendor.person("anna").wa_id
        return {"messaging_product": "whatsapp", "to": to, "type": kind, kind: what, **more}

    async def send(self, kind: str, what: Any, **more: Any) -> Answer:
        return await self.client.post(f"{self.vendor.number.id}/messages", self.body(kind, what, **more))

    async def interactive(self, kind: str, action: Any, text: str = "Which one?") -> Answer:
        return await self.send("interactive", {"type": kind, "body": {"text": text}, "action": action})

    async def told(self) -> list[dict[str, Any]]:
        """The values of all changes so far, when nothing is under way any more."""
        await self.vendor.settled()
        return [change["value"] for each in self.receiver.accepted for change in changes_of(each)]

    async def messages(self) -> list[dict[str, Any]]:
        return [message for value in await self.told() for message in value.get("messages", [])]

    async def statuses(self) -> list[dict[str, Any]]:
        return [status for value in await self.told() for status in value.get("statuses", [])]


def changes_of(received: ReceivedRequest) -> list[dict[str, Any]]:
    return [change for entry in received.json["entry"] for change in entry["changes"]]
