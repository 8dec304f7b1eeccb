"""Rendering that no text can hold up: large texts off the event loop, all of them under a deadline.

Every renderer is linear, and what it is given is bounded. This is the second belt: where one takes too long all the
same, the text is shown as it was typed.
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
AT_ONCE = 1_000
"""Characters that are rendered on the loop: an ordinary text of so many takes about 5 ms."""
DEADLINE_S = 3.0
_pool = ThreadPoolExecutor(2, thread_name_prefix="rendering")
"""Of its own: what hangs here must not keep documents and files waiting."""


async def within_deadline(
    work: Callable[[], T], texts: Iterable[str], *, surface: str, deadline_s: float = DEADLINE_S
) -> T:
    """What ``work`` returns: it renders ``texts`` and does nothing else. After the deadline it is called once more, to
    show them as they were typed. Raises what it raises."""
    size = sum(map(len, texts))
    if size <= AT_ONCE:
        return work()
    context = contextvars.copy_context()
    rendering = asyncio.get_running_loop().run_in_executor(_pool, context.run, work)
    try:
        return await asyncio.wait_for(rendering, deadline_s)
    except TimeoutError:
        log.error("rendering_timed_out", code="rendering_timed_out", surface=surface, characters=size)
        with plain_text_only():
            return work()


def texts_of(message: OutboundMessage) -> list[str]:
    """All that is rendered of a message."""
    cited = [text for each in message.citations for text in (each.title, each.heading)]
    return [message.text, *cited, *(choice.label for choice in message.choices)]
