"""The pages of contacts: the search, one contact with its conversations, the export, the form to erase one, and
what was erased."""

from __future__ import annotations

from aiohttp import web

from gateway.admin.contacts import ContactExporter, read_search
from gateway.console.conversation_status import describe_owner
from gateway.console.forms import Form
from gateway.console.rendering import build_path, build_url, redirect, render_page
from gateway.console.sessions import Operator
from gateway.contacts.directory import SHOWN_CONVERSATIONS, ContactDirectory, list_addresses_left
from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.erasure_records import Erasure
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import contact_name
from schemas.errors import Conflict

PAGE_SIZE = 50
_SECTION = "contacts"
_ERASING = "The contact is being erased. That takes a minute; the proof appears below."
_SHOWN_ERASURES = 20


class ContactPages:
    def __init__(self, services: ProcessServices) -> None:
        self._config = services.config
        self._directory = ContactDirectory(services.state)
        self._exporter = ContactExporter(services)
        self._erasures = ContactErasureService(services)

    async def show_list(self, request: web.Request, operator: Operator) -> web.Response:
        tenant, (query, channel) = request.match_info["tenant"], read_search(request)
        after = request.query.get("after", "")
        found, following = await self._directory.search(tenant, query, channel=channel, after=after, limit=PAGE_SIZE)
        accounts = self._config.tenants[tenant].channels.accounts()
        filters = {"q": query, "channel": channel}
        return render_page(
            "contact_list.html",
            operator,
            tenant,
            _SECTION,
            query=query,
            channel=channel,
            channels=[name for name, configured in accounts.items() if configured],
            rows=found,
            name_of=contact_name,
            notice=_ERASING if request.query.get("notice") == "erasing" else "",
            next_url=build_url(build_path(tenant, _SECTION), filters | {"after": following}) if following else "",
            erasures=await self._list_erasures(tenant) if operator.may("admin") else [],
        )

    async def _list_erasures(self, tenant: str) -> list[Erasure]:
        """The newest erasures, the last one first."""
        return (await self._erasures.records.list_all(tenant))[: -_SHOWN_ERASURES - 1 : -1]

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        tenant = request.match_info["tenant"]
        person = await self._directory.find(tenant, request.match_info["id"])
        newest = person.conversations[:SHOWN_CONVERSATIONS]
        conversations = await self._directory.load_conversations(newest)
        return render_page(
            "contact.html",
            operator,
            tenant,
            _SECTION,
            contact=person.contact,
            name=contact_name(person.contact),
            left_addresses=list_addresses_left(conversations),
            last_at=person.last_at,
            merged=len(person.ids - {person.contact.id}),
            rows=[(each, describe_owner(each, operator)) for each in conversations],
            hidden=len(person.conversations) - len(newest),
            export_url=build_path(tenant, _SECTION, person.contact.id, "export") if operator.may("admin") else "",
            erase_url=build_path(tenant, _SECTION, person.contact.id, "erase") if operator.may("admin") else "",
        )

    async def export(self, request: web.Request, operator: Operator) -> web.StreamResponse:
        return await self._exporter.respond(request)

    async def erase(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Begin to erase the contact. A box has to be ticked, since nothing brings anything back."""
        tenant = request.match_info["tenant"]
        if form.get("sure") != "yes":
            raise Conflict("nothing was erased", fix="tick the box to confirm that everything is erased for good")
        await self._erasures.request(tenant, request.match_info["id"], by=operator.actor.by)
        return redirect(f"{build_path(tenant, _SECTION)}?notice=erasing")
