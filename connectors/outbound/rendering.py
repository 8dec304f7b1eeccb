"""Rendering under a deadline, with large texts off the event loop.

Every renderer is linear and its input bounded. This is the second line of defence: a text that takes too long is shown
as it was typed.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from connectors.markup import plain_text_only
from schemas.messages import OutboundMessage

log = structlog.get_logger("parley.rendering")

T = TypeVar("T")
MAX_INLINE = 1_000
"""Characters rendered on the event loop; an ordinary text of this size takes about 5 ms."""
DEADLINE_S = 3.0
_pool = ThreadPoolExecutor(2, thread_name_prefix="rendering")
"""Separate, so that a stuck rendering does not hold up documents and files."""


async def render_within_deadline(
    work: Callable[[], T], texts: Iterable[str], *, surface: str, deadline_s: float = DEADLINE_S
) -> T:
    """Return the result of ``work``, which renders ``texts`` and does nothing else. After the deadline it is called
    again in plain text mode. Raises what ``work`` raises."""
    size = sum(map(len, texts))
    if size <= MAX_INLINE:
        return work()
    context = contextvars.copy_context()
    rendering = asyncio.get_running_loop().run_in_executor(_pool, context.run, work)
    try:
        async with asyncio.timeout(deadline_s):
            return await rendering
    except TimeoutError:
        log.error("rendering_timed_out", code="rendering_timed_out", surface=surface, characters=size)
        with plain_text_only():
            return work()


def list_texts(message: OutboundMessage) -> list[str]:
    """Return every text of a message that is rendered."""
    titles = [text for each in message.citations for text in (each.title, each.heading)]
    return [message.text, *titles, *(choice.label for choice in message.choices)]
