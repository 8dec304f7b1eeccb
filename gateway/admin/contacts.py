"""Endpoints for contacts: find, read, export, erase."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web

from connectors.registry import CHANNELS
from gateway.admin.conversations import serialize_conversation
from gateway.admin.guard import get_principal, read_page_size
from gateway.contacts.directory import SHOWN_CONVERSATIONS, ContactDirectory, list_addresses_left
from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.export import ContactExport
from gateway.http.responses import DEFAULT_HEADERS, json_response
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Contact
from schemas.errors import InvalidRequest, ParleyError

LONGEST_QUERY = 200
log = structlog.get_logger("parley.gateway")


class ContactApi:
    def __init__(self, services: ProcessServices) -> None:
        self._directory = ContactDirectory(services.state)
        self._exporter = ContactExporter(services)
        self._erasures = ContactErasureService(services)

    async def list_contacts(self, request: web.Request) -> web.Response:
        query, channel = read_search(request)
        found, following = await self._directory.search(
            request.match_info["tenant"],
            query,
            channel=channel,
            after=request.query.get("after", ""),
            limit=read_page_size(request),
        )
        items = [
            {
                "id": each.contact.id,
                "name": each.contact.name,
                "addresses": _serialize_addresses(each.contact),
                "last_at": format_instant(each.last_at),
            }
            for each in found
        ]
        return json_response({"items": items, "next": following})

    async def get(self, request: web.Request) -> web.Response:
        """Return the contact with its newest conversations."""
        person = await self._directory.find(request.match_info["tenant"], request.match_info["id"])
        contact = person.contact
        newest = await self._directory.load_conversations(person.conversations[:SHOWN_CONVERSATIONS])
        body = {
            "id": contact.id,
            "name": contact.name,
            "addresses": _serialize_addresses(contact),
            "last_at": format_instant(person.last_at),
            "facts": serialize_facts(contact)
            | {"merged_ids": sorted(person.ids - {contact.id}), "reach_at": list_addresses_left(newest)},
            "conversations": [serialize_conversation(each, contact) for each in newest],
        }
        return json_response(body)

    async def export(self, request: web.Request) -> web.StreamResponse:
        return await self._exporter.respond(request)

    async def erase(self, request: web.Request) -> web.Response:
        """Begin to erase a contact. It goes on in the background."""
        tenant, by = request.match_info["tenant"], get_principal(request).by
        erasure = await self._erasures.request(tenant, request.match_info["id"], by=by)
        return json_response({"erasure_id": erasure.id}, 202)

    async def get_erasure(self, request: web.Request) -> web.Response:
        erasure = await self._erasures.get(request.match_info["tenant"], request.match_info["id"])
        body = {
            "id": erasure.id,
            "contact_id": erasure.contact_id,
            "state": erasure.state,
            "requested_at": format_instant(erasure.requested_at),
            "done_at": format_instant(erasure.done_at) if erasure.done_at else None,
            "stores": erasure.stores,
            "proof": erasure.proof,
        }
        return json_response(body)


class ContactExporter:
    """Sends exports, one at a time, because each reads the log."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._directory = ContactDirectory(services.state)
        self._lock = asyncio.Lock()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Send everything that is held about the contact, as JSON lines. Raises NotFound."""
        tenant = request.match_info["tenant"]
        async with self._lock:
            person = await self._directory.find(tenant, request.match_info["id"])
            response = web.StreamResponse(headers=DEFAULT_HEADERS | {"Cache-Control": "no-store"})
            response.content_type = "application/x-ndjson"
            name = f"contact-{person.contact.id}.jsonl"
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
            await response.prepare(request)
            try:
                async for part in ContactExport(self._services, tenant, person).parts():
                    await response.write(part)
            except ParleyError as error:
                log.warning("export_interrupted", code=error.code)
                # An error response would become a part of the file.
                raise ConnectionAbortedError("the response was already started") from error
            await response.write_eof()
        return response


def read_search(request: web.Request) -> tuple[str, str]:
    """Read ``?q`` and ``?channel``. Raises InvalidRequest."""
    query, channel = request.query.get("q", ""), request.query.get("channel", "")
    if len(query) > LONGEST_QUERY:
        raise InvalidRequest(f"q: must have at most {LONGEST_QUERY} characters")
    if channel and channel not in CHANNELS:
        raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
    return query, channel


def serialize_facts(contact: Contact) -> dict[str, Any]:
    """What is known about the contact beside its name and addresses."""
    return {
        "locale": contact.locale,
        "created_at": format_instant(contact.created_at),
        "former_addresses": [address.model_dump(mode="json") for address in contact.left],
        "opted_out": contact.opted_out,
        "opted_at": format_instant(contact.opted_at) if contact.opted_at else None,
        "marketing_opted_out": contact.marketing_opted_out,
        "marketing_opted_at": format_instant(contact.marketing_opted_at) if contact.marketing_opted_at else None,
    }


def _serialize_addresses(contact: Contact) -> list[dict[str, Any]]:
    return [address.model_dump(mode="json") for address in contact.addresses]
