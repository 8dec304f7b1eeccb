"""Conversion between our requests and pydantic-ai's messages, the same for every provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import httpx2
from pydantic_ai import messages
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, ModelConnectionError, ModelHTTPError
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.models.providers.provider import Usage
from agent_worker.models.request import ActionCall, CallResults, ModelOutput, Prompt, UserImage, UserText
from schemas.ports import ActionOffer

CONNECT = 10.0
"""Seconds to connect. The caller limits the time of the answer."""
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
"""Unlimited, because the worker limits the number of concurrent turns; a request must not wait here unnoticed."""
MAX_ARGUMENTS_LENGTH = 20_000
"""Characters of an action's arguments."""
_OUTAGE_STATUSES = frozenset({401, 402, 403, 404, 408, 429})
"""An invalid key or an unknown model fails for everybody until it is fixed."""


class PydanticProvider:
    """Implements provider.Provider without retries: the ladder decides what follows a failure. ``failures``: exceptions
    of the provider's client besides pydantic-ai's."""

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

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        settings = ModelSettings(max_tokens=output, **self._settings)  # type: ignore[typeddict-item]
        tools = ModelRequestParameters(function_tools=[_tool(offer) for offer in prompt.offers])
        try:
            async with model_request_stream(
                self._model, _messages(prompt), model_settings=settings, model_request_parameters=tools
            ) as response:
                async for piece in _pieces(response):
                    _update_usage(response, usage)
                    yield piece
                _update_usage(response, usage)
            yield _read_output(response.get())
        except ModelHTTPError as error:
            raise _http_failure(error) from error
        except self._failures as error:
            # Only the exception's type: a provider's message may repeat the prompt.
            kind = "no connection" if (unreachable := _is_unreachable(error)) else "broken answer"
            raise AttemptFailed(
                f"{kind}: {type(error).__name__}", outage=not isinstance(error, ValueError), unreachable=unreachable
            ) from error

    async def close(self) -> None:
        await self._close()


def _is_unreachable(error: BaseException) -> bool:
    """True if no connection was made: refused, no such host, or no answer to it."""
    if isinstance(error, ModelConnectionError):
        return error.phase == "connect"
    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def _http_failure(error: ModelHTTPError) -> AttemptFailed:
    status = error.status_code
    outage = status in _OUTAGE_STATUSES or status >= 500
    return AttemptFailed(f"HTTP {status}", outage=outage, retry_after=error.retry_after or 0.0)


def _tool(offer: ActionOffer) -> ToolDefinition:
    return ToolDefinition(
        name=offer.name, description=offer.description, parameters_json_schema=dict(offer.parameters), strict=False
    )


def _messages(prompt: Prompt) -> list[messages.ModelMessage]:
    """Consecutive parts from us become one message."""
    out: list[messages.ModelMessage] = []
    pending: list[messages.ModelRequestPart] = [messages.SystemPromptPart(prompt.system)]
    for part in prompt.parts:
        if isinstance(part, ModelOutput):
            out += [messages.ModelRequest(parts=pending), _response(part)]
            pending = []
        else:
            pending += _request_parts(part)
    return [*out, messages.ModelRequest(parts=pending)] if pending else out


def _request_parts(part: UserText | UserImage | CallResults) -> Iterator[messages.ModelRequestPart]:
    if isinstance(part, CallResults):
        for call, text in part.results:
            yield messages.ToolReturnPart(tool_name=call.name, content=text, tool_call_id=call.id)
    elif isinstance(part, UserImage):
        yield messages.UserPromptPart([messages.BinaryContent(part.data, media_type=part.type)])
    elif part.stable:
        yield messages.UserPromptPart([part.text, messages.CachePoint()])
    else:
        yield messages.UserPromptPart(part.text)


def _response(part: ModelOutput) -> messages.ModelResponse:
    if isinstance(part.raw, messages.ModelResponse):
        return part.raw
    return messages.ModelResponse(parts=[messages.TextPart(part.text)])


async def _pieces(response: StreamedResponse) -> AsyncGenerator[str, None]:
    arguments = 0
    async for event in response:
        if isinstance(event, messages.PartDeltaEvent) and isinstance(event.delta, messages.ToolCallPartDelta):
            arguments += len(str(event.delta.args_delta or ""))
            _check_length(arguments)
        yield _text(event)


def _check_length(arguments: int) -> None:
    if arguments > MAX_ARGUMENTS_LENGTH:
        raise AttemptFailed(f"an action's arguments are longer than {MAX_ARGUMENTS_LENGTH} characters")


def _text(event: messages.ModelResponseStreamEvent) -> str:
    """The text that an event adds; thinking is not for the contact."""
    if isinstance(event, messages.PartStartEvent) and isinstance(event.part, messages.TextPart):
        return event.part.content
    if isinstance(event, messages.PartDeltaEvent) and isinstance(event.delta, messages.TextPartDelta):
        return event.delta.content_delta
    return ""


def _read_output(response: messages.ModelResponse) -> ModelOutput:
    if response.finish_reason not in ("stop", "tool_call", None):
        raise AttemptFailed(f"ended early: {response.finish_reason}")
    text = "".join(part.content for part in response.parts if isinstance(part, messages.TextPart))
    calls = tuple(
        ActionCall(part.tool_call_id, part.tool_name, part.args_as_json_str()) for part in response.tool_calls
    )
    _check_length(sum(len(call.arguments) for call in calls))
    return ModelOutput(text, calls, response)


def _update_usage(response: StreamedResponse, usage: Usage) -> None:
    reported = response.usage
    usage.input, usage.output, usage.cached = reported.input_tokens, reported.output_tokens, reported.cache_read_tokens
