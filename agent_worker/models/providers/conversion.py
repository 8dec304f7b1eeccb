"""Our requests in pydantic-ai's terms, and its answers in ours: the same for every provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import httpx2
from pydantic_ai import messages
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.models.providers.provider import Usage
from agent_worker.models.request import Call, Prompt, Returned, Said, Wrote
from schemas.ports import Offer

CONNECT = 10.0
"""Seconds to reach the endpoint; how long it may think is the caller's to say."""
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
"""How many turns run at once is for the worker to bound. A thousand and first one must not wait unseen."""
LONGEST_ARGUMENTS = 20_000
"""Characters of an action's arguments."""
_OUTAGES = frozenset({401, 402, 403, 404, 408, 429})
"""A key or a model that the provider does not know serves nobody until somebody mends it."""


class PydanticSource:
    """Implements source.Source. Never retries by itself: the ladder decides what follows a failure. ``failures``: what
    the provider's client raises besides pydantic-ai's own."""

    def __init__(
        self,
        model: Model[Any],
        settings: Mapping[str, Any],
        close: Callable[[], Awaitable[None]],
        failures: tuple[type[Exception], ...],
    ) -> None:
        self._model = model
        self._settings = settings
        self._close = close
        self._failures: tuple[type[Exception], ...] = (AgentRunError, httpx2.HTTPError, ValueError, *failures)

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | Wrote, None]:
        settings = ModelSettings(max_tokens=output, **self._settings)  # type: ignore[typeddict-item]
        tools = ModelRequestParameters(function_tools=[_tool(offer) for offer in prompt.offers])
        try:
            async with model_request_stream(
                self._model, _messages(prompt), model_settings=settings, model_request_parameters=tools
            ) as response:
                async for piece in _pieces(response):
                    _count(response, usage)
                    yield piece
                _count(response, usage)
            yield _written(response.get())
        except ModelHTTPError as error:
            raise _refused(error) from error
        except self._failures as error:
            # Only the kind: a provider's message may repeat the prompt.
            raise AttemptFailed(
                f"broken answer: {type(error).__name__}", outage=not isinstance(error, ValueError)
            ) from error

    async def close(self) -> None:
        await self._close()


def _refused(error: ModelHTTPError) -> AttemptFailed:
    status = error.status_code
    outage = status in _OUTAGES or status >= 500
    return AttemptFailed(f"HTTP {status}", outage=outage, retry_after=error.retry_after or 0.0)


def _tool(offer: Offer) -> ToolDefinition:
    return ToolDefinition(
        name=offer.name, description=offer.description, parameters_json_schema=dict(offer.parameters), strict=False
    )


def _messages(prompt: Prompt) -> list[messages.ModelMessage]:
    """What we say in a row is one message."""
    out: list[messages.ModelMessage] = []
    waiting: list[messages.ModelRequestPart] = [messages.SystemPromptPart(prompt.system)]
    for part in prompt.parts:
        if isinstance(part, Wrote):
            out += [messages.ModelRequest(parts=waiting), _response(part)]
            waiting = []
        else:
            waiting += _request_parts(part)
    return [*out, messages.ModelRequest(parts=waiting)] if waiting else out


def _request_parts(part: Said | Returned) -> Iterator[messages.ModelRequestPart]:
    if isinstance(part, Returned):
        for call, text in part.results:
            yield messages.ToolReturnPart(tool_name=call.name, content=text, tool_call_id=call.id)
    elif part.stable:
        yield messages.UserPromptPart([part.text, messages.CachePoint()])
    else:
        yield messages.UserPromptPart(part.text)


def _response(part: Wrote) -> messages.ModelResponse:
    if isinstance(part.raw, messages.ModelResponse):
        return part.raw
    return messages.ModelResponse(parts=[messages.TextPart(part.text)])


async def _pieces(response: StreamedResponse) -> AsyncGenerator[str, None]:
    arguments = 0
    async for event in response:
        if isinstance(event, messages.PartDeltaEvent) and isinstance(event.delta, messages.ToolCallPartDelta):
            arguments += len(str(event.delta.args_delta or ""))
            _bound(arguments)
        yield _text(event)


def _bound(arguments: int) -> None:
    if arguments > LONGEST_ARGUMENTS:
        raise AttemptFailed(f"an action's arguments are longer than {LONGEST_ARGUMENTS} characters")


def _text(event: messages.ModelResponseStreamEvent) -> str:
    """The text an event adds; thinking and all else is not for the contact."""
    if isinstance(event, messages.PartStartEvent) and isinstance(event.part, messages.TextPart):
        return event.part.content
    if isinstance(event, messages.PartDeltaEvent) and isinstance(event.delta, messages.TextPartDelta):
        return event.delta.content_delta
    return ""


def _written(response: messages.ModelResponse) -> Wrote:
    if response.finish_reason not in ("stop", "tool_call", None):
        raise AttemptFailed(f"ended early: {response.finish_reason}")
    text = "".join(part.content for part in response.parts if isinstance(part, messages.TextPart))
    calls = tuple(Call(part.tool_call_id, part.tool_name, part.args_as_json_str()) for part in response.tool_calls)
    _bound(sum(len(call.arguments) for call in calls))
    return Wrote(text, calls, response)


def _count(response: StreamedResponse, usage: Usage) -> None:
    counted = response.usage
    usage.input, usage.output, usage.cached = counted.input_tokens, counted.output_tokens, counted.cache_read_tokens
