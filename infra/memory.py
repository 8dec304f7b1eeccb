"""The garbage collector of a process that serves: told what stays, so that it does not look there again and again.

A process holds a hundred thousand objects for as long as it lives (modules, models, tokenizers), and each message makes
some hundreds that reference counting takes back. At the interpreter's own thresholds a seventh of a worker's time went
into looking for cycles, in pauses of 80 ms of the whole event loop.
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 10, 50)
"""New containers until the youngest are looked at; how often that happens until the middle ones are; and so on."""


def settle() -> None:
    """To be called once the process has what it keeps. Takes as long as one whole collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
