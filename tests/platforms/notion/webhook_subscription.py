"""A webhook subscription of the simulated Notion.

The first request carries the verification token; after that, each event is signed with it:
https://developers.notion.com/reference/webhooks, https://developers.notion.com/reference/webhooks-events-delivery
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid

import aiohttp

from tests.platforms.notion.workspace import Json, Node


class WebhookSubscription:
    """``token`` is the verification token, which Notion makes up for each subscription."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str = "secret_simulated_verification") -> None:
        self._http = http
        self._url = url
        self.token = token

    async def verify(self) -> int:
        """The status of the answer."""
        return await self.post(json.dumps({"verification_token": self.token}).encode())

    async def announce(self, page: Node, type: str = "page.content_updated", **headers: str) -> int:
        """An event about a page. ``headers`` replace Notion's own."""
        body = json.dumps(self._event(page, type)).encode()
        digest = hmac.new(self.token.encode(), body, hashlib.sha256).hexdigest()
        return await self.post(body, **{"X-Notion-Signature": f"sha256={digest}", **headers})

    async def post(self, body: bytes, **headers: str) -> int:
        headers = {"Content-Type": "application/json", "User-Agent": "notion-webhooks/1.0", **headers}
        async with self._http.post(self._url, data=body, headers=headers) as response:
            return response.status

    def _event(self, page: Node, type: str) -> Json:
        return {
            "id": str(uuid.uuid4()),
            "timestamp": page.edited.isoformat(),
            "workspace_id": str(uuid.UUID(int=1)),
            "workspace_name": "Nepenthes & Co",
            "subscription_id": str(uuid.UUID(int=2)),
            "integration_id": str(uuid.UUID(int=3)),
            "authors": [{"id": str(uuid.UUID(int=4)), "type": "person"}],
            "attempt_number": 1,
            "entity": {"id": page.id, "type": "page"},
            "type": type,
            "data": {"parent": {"id": str(uuid.UUID(int=1)), "type": "space"}},
        }
