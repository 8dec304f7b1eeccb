"""A model provider that records its exchanges, and in a replay answers the same requests as they were answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.learning.replay_context import NOT_RECORDED, current_replay
from agent_worker.learning.turn_recorder import current_recorder, digest_prompt
from agent_worker.models.providers.provider import Provider, Usage
from agent_worker.models.request import ActionCall, CallResults, ModelOutput, Prompt, UserImage, UserText
from schemas.privacy.cards import mask_cards
from schemas.turn_recording import ModelCall, RecordedRequest


class RecordedProvider:
    """Implements Provider around another one. ``name``: of the model in the registry; ``model``: its vendor's name for
    it, so that another model under the same name is asked anew."""

    def __init__(self, name: str, model: str, provider: Provider) -> None:
        self._name = name
        self._model = model
        self._provider = provider

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        """See Provider."""
        request, replay = digest_prompt([self._model, *_describe(prompt)]), current_replay()
        if replay is not None and (exchange := replay.take_request(request)) is not None:
            usage.input, usage.cached, usage.output = exchange.input, exchange.cached, exchange.output
            yield exchange.answer
            if exchange.failure:
                raise AttemptFailed(exchange.failure, outage=True)
            calls = tuple(ActionCall(call.id, call.name, call.arguments) for call in exchange.calls)
            yield ModelOutput(exchange.answer, calls)
            return
        if replay is not None and any(isinstance(part, UserImage) for part in prompt.parts):
            replay.note_divergence(f"picture: {NOT_RECORDED}")
            raise AttemptFailed("a replay has no pictures")
        written, final, failure = "", None, ""
        try:
            async with aclosing(self._provider.stream(prompt, output, usage)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ModelOutput):
                        final = piece
                    else:
                        written += piece
                    yield piece
        except AttemptFailed as error:
            failure = str(error)
            raise
        except asyncio.CancelledError:
            failure = "no answer in time"
            raise
        finally:
            # Also of an answer that was rejected before its end.
            self._note(request, final or ModelOutput(written), usage, failure)

    def _note(self, request: str, answer: ModelOutput, usage: Usage, failure: str) -> None:
        calls = [ModelCall(id=call.id, name=call.name, arguments=mask_cards(call.arguments)) for call in answer.calls]
        exchange = RecordedRequest(
            model=self._name,
            request=request,
            answer=mask_cards(answer.text),
            calls=calls,
            failure=failure,
            input=usage.input,
            cached=usage.cached,
            output=usage.output,
        )
        current_recorder().exchanges.append(exchange)

    async def close(self) -> None:
        await self._provider.close()


def _describe(prompt: Prompt) -> Iterator[str]:
    """Everything that the model reads. Of a picture, only its id."""
    yield prompt.system
    for offer in prompt.offers:
        yield json.dumps([offer.name, offer.description, dict(offer.parameters)], sort_keys=True, default=str)
    for part in prompt.parts:
        match part:
            case UserText(text):
                yield text
            case UserImage(id):
                yield id
            case ModelOutput(text, calls):
                yield text
                yield from (f"{call.id} {call.name} {call.arguments}" for call in calls)
            case CallResults(results):
                yield from (f"{call.id} {text}" for call, text in results)
