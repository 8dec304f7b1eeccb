"""The three ways in which providers stream an answer: the same script in each one's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from tests.simulators.models.request_reading import lines_of

ToolCall = tuple[str, str]
"""Name and arguments; the arguments as they are sent, which need not be JSON."""


class Dialect(Protocol):
    """Events as the bytes that go over the wire."""

    def begin(self, body: dict[str, Any]) -> Iterator[bytes]: ...
    def text(self, piece: str) -> Iterator[bytes]: ...
    def end(self, text: str, calls: tuple[ToolCall, ...]) -> Iterator[bytes]: ...


def _words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _prompt(body: dict[str, Any]) -> int:
    """Words stand for tokens."""
    return _words([line.text for line in lines_of(body)])


class OpenAI:
    """Chat completions."""

    def begin(self, body: dict[str, Any]) -> Iterator[bytes]:
        self._body = body
        return iter(())

    def text(self, piece: str) -> Iterator[bytes]:
        yield self._chunk({"content": piece})

    def end(self, text: str, calls: tuple[ToolCall, ...]) -> Iterator[bytes]:
        for index, (name, arguments) in enumerate(calls):
            function = {"name": name, "arguments": arguments}
            yield self._chunk(
                {
                    "tool_calls": [
                        {"index": index, "id": f"call-{index}-{id(self)}", "type": "function", "function": function}
                    ]
                }
            )
        yield self._chunk({}, "tool_calls" if calls else "stop")
        prompt, answer = _prompt(self._body), _words([text])
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        if self._body.get("stream_options", {}).get("include_usage"):
            yield self._event({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, more: dict[str, Any]) -> bytes:
        about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": self._body["model"]}
        return b"data: " + json.dumps({**about, **more}).encode() + b"\n\n"


class Anthropic:
    """Messages."""

    def begin(self, body: dict[str, Any]) -> Iterator[bytes]:
        self._open = False
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": body["model"],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": _prompt(body), "output_tokens": 0},
        }
        yield self._event("message_start", message=message)

    def text(self, piece: str) -> Iterator[bytes]:
        if not self._open:
            self._open = True
            yield self._event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})

    def end(self, text: str, calls: tuple[ToolCall, ...]) -> Iterator[bytes]:
        if self._open:
            yield self._event("content_block_stop", index=0)
        for index, (name, arguments) in enumerate(calls, int(self._open)):
            block = {"type": "tool_use", "id": f"toolu_{index}_{id(self)}", "name": name, "input": {}}
            yield self._event("content_block_start", index=index, content_block=block)
            delta = {"type": "input_json_delta", "partial_json": arguments}
            yield self._event("content_block_delta", index=index, delta=delta)
            yield self._event("content_block_stop", index=index)
        ended = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
        yield self._event("message_delta", delta=ended, usage={"output_tokens": _words([text])})
        yield self._event("message_stop")

    def _event(self, kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


class Google:
    """generateContent."""

    def begin(self, body: dict[str, Any]) -> Iterator[bytes]:
        self._prompted = _prompt(body)
        return iter(())

    def text(self, piece: str) -> Iterator[bytes]:
        yield self._event([{"text": piece}])

    def end(self, text: str, calls: tuple[ToolCall, ...]) -> Iterator[bytes]:
        """Its arguments are an object; what is none is sent as it is, and then the whole event is no JSON."""
        parts = ", ".join(f'{{"functionCall": {{"name": "{name}", "args": {raw}}}}}' for name, raw in calls)
        counted = {"promptTokenCount": self._prompted, "candidatesTokenCount": _words([text])}
        usage = json.dumps({**counted, "totalTokenCount": sum(counted.values())})
        candidate = f'{{"content": {{"role": "model", "parts": [{parts}]}}, "finishReason": "STOP", "index": 0}}'
        yield f'data: {{"candidates": [{candidate}], "usageMetadata": {usage}}}\n\n'.encode()

    def _event(self, parts: list[dict[str, Any]]) -> bytes:
        return (
            b"data: "
            + json.dumps({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}]}).encode()
            + b"\n\n"
        )
