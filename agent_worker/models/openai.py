"""OpenAI-compatible endpoints (hosted, vLLM with adapters by name, local servers), through pydantic-ai.

The only importer of pydantic-ai and of the OpenAI client, and imported only when such a model is configured.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.models.prompt import Prompt
from agent_worker.models.remote import Usage
from schemas.errors import MissingDependency

try:
    import httpx2
    import openai
    from pydantic_ai import messages
    from pydantic_ai.direct import model_request_stream
    from pydantic_ai.exceptions import AgentRunError, ModelHTTPError
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
    from pydantic_ai.providers.openai import OpenAIProvider
except ImportError as error:
    raise MissingDependency(
        f"a model with `provider: openai` needs {error.name or 'pydantic-ai'}, which is not installed",
        fix="pip install 'parley-gateway[models]'",
    ) from error

if TYPE_CHECKING:
    from pydantic_ai.models import StreamedResponse

CONNECT = 10.0
"""Seconds to reach the endpoint; how long it may think is the caller's to say."""
KEPT = 100
"""Idle connections."""


class OpenAISource:
    """Implements remote.Source. Never retries by itself: the ladder decides what follows a failure."""

    def __init__(self, *, model: str, base_url: str, api_key: str, timeout: float) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            # The client refuses an empty key; a local server without one ignores whatever comes.
            api_key=api_key or "none",
            max_retries=0,
            timeout=openai.Timeout(timeout, connect=min(CONNECT, timeout)),
            # How many turns run at once is for the worker to bound. A thousand and first one must not wait unseen.
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT)
            ),
        )
        self._model = OpenAIChatModel(model, provider=OpenAIProvider(openai_client=self._client))

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str, None]:
        settings = OpenAIChatModelSettings(max_tokens=output)
        try:
            async with model_request_stream(self._model, _messages(prompt), model_settings=settings) as response:
                async for event in response:
                    _count(response, usage)
                    yield _text(event)
                _count(response, usage)
            if response.get().finish_reason not in ("stop", None):
                raise AttemptFailed(f"ended early: {response.get().finish_reason}")
        except ModelHTTPError as error:
            raise AttemptFailed(f"HTTP {error.status_code}") from error
        except (AgentRunError, openai.OpenAIError, ValueError) as error:
            # Only the kind: a provider's message may repeat the prompt.
            raise AttemptFailed(f"broken answer: {type(error).__name__}") from error

    async def close(self) -> None:
        await self._client.close()


def _messages(prompt: Prompt) -> list[messages.ModelMessage]:
    first, *rest = prompt.parts
    out: list[messages.ModelMessage] = [
        messages.ModelRequest(parts=[messages.SystemPromptPart(prompt.system), messages.UserPromptPart(first)])
    ]
    for number, part in enumerate(rest):
        if number % 2 == 0:
            out.append(messages.ModelResponse(parts=[messages.TextPart(part)]))
        else:
            out.append(messages.ModelRequest(parts=[messages.UserPromptPart(part)]))
    return out


def _text(event: messages.ModelResponseStreamEvent) -> str:
    """The text an event adds; thinking and all else is not for the contact."""
    if isinstance(event, messages.PartStartEvent) and isinstance(event.part, messages.TextPart):
        return event.part.content
    if isinstance(event, messages.PartDeltaEvent) and isinstance(event.delta, messages.TextPartDelta):
        return event.delta.content_delta
    return ""


def _count(response: StreamedResponse, usage: Usage) -> None:
    counted = response.usage
    usage.input, usage.output, usage.cached = counted.input_tokens, counted.output_tokens, counted.cache_read_tokens
