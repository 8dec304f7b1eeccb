"""A chat in the terminal, over the same WebSocket as the web page."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from uuid import uuid4

import aiohttp
import typer

from gateway.commands.common.instance import build_error, find_instance, not_running_error
from gateway.commands.common.printing import note, print_json
from gateway.config.settings import Config
from schemas.errors import SetupError, Unavailable


async def run_chat(
    config: Config, tenant: str, account: str, message: str | None, url: str | None, as_json: bool, wait: float
) -> None:
    async with aiohttp.ClientSession() as http:
        instance_url = await find_instance(http, config, url)
        if not instance_url:
            raise not_running_error(config, url)
        base = f"{instance_url}/v1/chat/{tenant}"
        async with http.post(f"{base}/sessions", json={"account": account}) as response:
            session = await response.json()
            if response.status >= 500:
                raise build_error(response.status, session)
            if response.status != 201:
                raise SetupError(
                    f"the chat cannot be opened: {session['error']['message']}",
                    fix="check the tenant's account under `channels.web`, and --account",
                )
        async with http.ws_connect(f"{base}/socket", heartbeat=20) as socket:
            chat = ChatSession(socket, wait, live=not as_json)
            await chat.open(session["visitor_token"])
            if message is not None:
                answer = await chat.ask(message)
                if as_json:
                    print_json(answer)
                return
            await _converse(chat, config.tenants[tenant].name)


async def _converse(chat: ChatSession, name: str) -> None:
    note(f"You are talking to {name}. End the chat with an empty line or Ctrl-D.")
    while True:
        try:
            text = await asyncio.to_thread(input, "\n> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if not text.strip():
            return
        await chat.ask(text)


class ChatSession:
    """One session over its WebSocket. With ``live``, answers are printed while they are written."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, wait: float, *, live: bool) -> None:
        self._socket = socket
        self._wait = wait
        self._live = live
        self._streamed_text = ""
        self._choices: dict[str, tuple[str, str]] = {}

    async def open(self, token: str) -> None:
        await self._socket.send_json({"type": "hello", "token": token})
        frame = await self._receive_frame()
        if frame["type"] != "welcome":
            raise SetupError(
                f"the chat refused the connection: {frame.get('error', {}).get('message', frame['type'])}",
                fix="look at the instance's log",
            )

    async def ask(self, text: str) -> dict[str, Any]:
        """Send a message and return the answer. A number stands for one of the choices in the last answer."""
        choice = self._choices.get(text.strip())
        client_id = uuid4().hex
        frame: dict[str, Any] = {"type": "message", "client_msg_id": client_id, "text": text}
        if choice is not None:
            frame = {"type": "choice", "client_msg_id": client_id, "in_reply_to": choice[0], "id": choice[1]}
        await self._socket.send_json(frame)
        try:
            async with asyncio.timeout(self._wait):
                return await self._receive_answer(client_id)
        except TimeoutError as error:
            fix = "look at the instance's log and at `parley deadletter list`, or wait longer with --wait"
            raise Unavailable(f"no answer within {self._wait:g} s", fix=fix) from error

    async def _receive_answer(self, client_id: str) -> dict[str, Any]:
        seq = 0
        while True:
            frame = await self._receive_frame()
            if frame["type"] == "error" and frame.get("client_msg_id") in (client_id, None):
                raise build_error(400, frame)
            if frame["type"] == "ack" and frame["client_msg_id"] == client_id:
                seq = int(frame["seq"])
            elif frame["type"] == "delta":
                self._add_delta(str(frame["text"]))
            elif frame["type"] == "abort":
                self._discard_draft()
            elif frame["type"] == "message":
                message: dict[str, Any] = frame["message"]
                if message["author"]["kind"] != "contact" and message["seq"] > seq:
                    await self._socket.send_json({"type": "read", "seq": message["seq"]})
                    self._show_answer(message)
                    return message

    def _add_delta(self, text: str) -> None:
        self._streamed_text += text
        if self._live:
            typer.echo(text, nl=False)

    def _discard_draft(self) -> None:
        if self._live and self._streamed_text:
            typer.echo("\n(starting again)")
        self._streamed_text = ""

    def _show_answer(self, message: dict[str, Any]) -> None:
        self._choices = {
            str(number): (message["id"], choice["id"]) for number, choice in enumerate(message["choices"], 1)
        }
        streamed, self._streamed_text = self._streamed_text, ""
        if not self._live:
            return
        if streamed.strip() == message["text"].strip():
            typer.echo("")
        else:
            # The streamed text was a draft, and the message differs from it.
            typer.echo(("\n" if streamed else "") + message["text"])
        for citation in message["citations"]:
            link = f" ({citation['url']})" if citation["url"] else ""
            typer.echo(f"  [{citation['n']}] {citation['title']}{link}")
        for number, choice in enumerate(message["choices"], 1):
            typer.echo(f"  {number}) {choice['label']}")

    async def _receive_frame(self) -> dict[str, Any]:
        received = await self._socket.receive()
        if received.type is not aiohttp.WSMsgType.TEXT:
            raise Unavailable("the instance closed the chat", fix="look at its log")
        frame: dict[str, Any] = received.json()
        return frame
