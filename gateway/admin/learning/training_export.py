"""The export of training data from the log, streamed as JSON lines."""

from __future__ import annotations

from aiohttp import web

from connectors.registry import CHANNELS
from gateway.admin.learning.conversation_export import BuildLines, ConversationExport
from gateway.http.query_times import parse_instant
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.training_export.conversation_history import EXPORT_TYPES
from gateway.training_export.examples import build_examples
from gateway.training_export.export_rows import ConversationExample, Preference
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import InvalidRequest

ROW_TYPES: dict[str, tuple[type, ...]] = {
    "approved": (ConversationExample,),
    "rejected": (Preference,),
    "": (ConversationExample, Preference),
}
"""The rows of each ``?kind``."""


class TrainingExportApi:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._export = ConversationExport(services)

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Export the rows of ``?kind`` (approved or rejected, by default both). ``since`` and ``until`` (ISO 8601)
        limit the time when a conversation was last answered. Raises InvalidRequest, BusUnavailable."""
        tenant, query = request.match_info["tenant"], request.query
        kind, channel = query.get("kind", ""), query.get("channel", "")
        if kind not in ROW_TYPES:
            raise InvalidRequest(f"kind: must be one of {', '.join(filter(None, ROW_TYPES))}")
        if channel and channel not in CHANNELS:
            raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
        since, until = parse_instant("since", query.get("since", "")), parse_instant("until", query.get("until", ""))
        own = self._services.config.tenants[tenant].protection.own_number_finder

        async def prepare(grouping: ConversationGrouping) -> BuildLines:
            def build_lines(conversation: str, events: list[ConversationEvent], names: list[str]) -> bytes:
                rows = build_examples(tenant, conversation, events, own, names, grouping.find_passages)
                return b"".join(
                    row.model_dump_json().encode() + b"\n" for row in rows if isinstance(row, ROW_TYPES[kind])
                )

            return build_lines

        channels = [channel] if channel else channels_of(self._services.config)
        return await self._export.stream(
            request,
            sources=[*map(topics.inbound, channels), topics.EVENTS],
            types=EXPORT_TYPES,
            period=(since, until),
            prepare=prepare,
        )
