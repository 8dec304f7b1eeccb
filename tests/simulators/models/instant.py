"""A model that takes no time: an OpenAI-compatible endpoint that says one sentence of the first passage at once.

python -m tests.simulators.models.instant PORT
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from aiohttp import web

MODULE = "tests.simulators.models.instant"
NOT_FOUND = "NOT_FOUND"
_SENTENCE = re.compile(r"[^\W\d_][^\n|]*?[^\W_]{2}[.!](?=\s|$)")
_MIN_WORDS = 4
"""Neither "No." nor "Like this:" answers anything."""


def quote_passage(body: dict[str, Any]) -> str:
    """Word for word, so that it passes the gate like any honest answer."""
    for message in reversed(body["messages"]):
        content = message["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        if message["role"] != "user" or '"passages"' not in text:
            continue
        for passage in json.loads(text)["passages"]:
            for found in _SENTENCE.findall(passage["text"]):
                if len(found.split()) >= _MIN_WORDS:
                    return f"{found[:-1]} [{passage['n']}]."
    return NOT_FOUND


async def complete(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    about = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    chunks: list[dict[str, Any]] = [
        {
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": quote_passage(body)}, "finish_reason": None}
            ]
        },
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    lines = [f"data: {json.dumps(about | chunk)}\n\n" for chunk in chunks]
    await answer.write("".join([*lines, "data: [DONE]\n\n"]).encode())
    return answer


async def ready(_request: web.Request) -> web.Response:
    return web.Response()


def main(port: int) -> None:
    app = web.Application(client_max_size=8 * 1024**2)
    app.router.add_post("/v1/chat/completions", complete)
    app.router.add_get("/readyz", ready)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
