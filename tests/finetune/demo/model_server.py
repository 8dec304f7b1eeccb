"""A server with OpenAI's chat completions: llama.cpp with a model and its adapter, each under a name of its own.

llama.cpp takes the adapter as a field of the request. vLLM and Parley choose it by the model's name."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import xllamacpp
from aiohttp import web

from tests.finetune.demo.model_weights import find_weights

BASE, TUNED = "smollm2", "smollm2-plantstore"
CONTEXT = 4096
MAX_OUTPUT = 200
"""Tokens of an answer. Colleagues wrote less than half as many; the base goes on until it is stopped."""


def open_llama(weights: Path, adapter: Path | None, threads: int) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_parallel = 1
    params.n_ctx = CONTEXT
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.warmup = False
    if adapter is not None:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    return xllamacpp.Server(params)


class ModelProxy:
    """Passes requests on to llama.cpp, with the scale of the adapter that the model's name asks for."""

    def __init__(self, address: str, log: Path | None, *, has_adapter: bool) -> None:
        """``log``: a file of what was asked and answered."""
        self._address = address
        self._log = log
        self._names = [BASE, *([TUNED] if has_adapter else [])]

    async def list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self._names]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["model"] not in self._names:
            return web.json_response({"error": {"message": f"no model {body['model']}"}}, status=404)
        if len(self._names) > 1:
            body["lora"] = [{"id": 0, "scale": float(body["model"] == TUNED)}]
        # llama.cpp would go on from what it read of the same prompt with the other adapter.
        asked = body.pop("max_completion_tokens", None) or body.get("max_tokens") or MAX_OUTPUT
        body |= {"temperature": 0, "cache_prompt": False, "max_tokens": min(asked, MAX_OUTPUT)}
        url = f"{self._address}/v1/chat/completions"
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            written = bytearray()
            async for chunk in answer.content.iter_any():
                written += chunk
                # The gate stops reading at a sentence that it refuses. What is noted is the whole answer.
                with suppress(ConnectionResetError):
                    await response.write(chunk)
            self._note(body, read_text(written.decode()))
            with suppress(ConnectionResetError):
                await response.write_eof()
        return response

    def _note(self, body: dict[str, Any], answer: str) -> None:
        if self._log is not None:
            entry = {"model": body["model"], "messages": body["messages"], "answer": answer}
            with self._log.open("a") as file:
                file.write(json.dumps(entry) + "\n")


def read_text(response: str) -> str:
    """The text of a whole response, or of what was read of a streamed one."""
    if response.startswith("{"):
        return str(json.loads(response)["choices"][0]["message"]["content"])
    events = [event for event in response.split("\n\n")[:-1] if event.startswith("data:") and "[DONE]" not in event]
    chunks = [json.loads(event.removeprefix("data:")) for event in events]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    llama = open_llama(find_weights(), options.adapter, options.threads)
    proxy = ModelProxy(llama.listening_address, options.log, has_adapter=options.adapter is not None)
    app = web.Application(client_max_size=2**24)
    app.add_routes([web.get("/v1/models", proxy.list_models), web.post("/v1/chat/completions", proxy.complete)])
    web.run_app(app, host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
