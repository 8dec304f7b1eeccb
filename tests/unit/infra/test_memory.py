"""Memory settings of a serving process."""

from __future__ import annotations

import platform
import subprocess
import sys

from infra import process_tuning

HEAPS_OF_THREADS = """
import ctypes, sys, tempfile, threading
from infra import process_tuning
if sys.argv[1] == "shared":
    process_tuning.limit_heaps()
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p
meet = threading.Barrier(9)
def allocate():
    meet.wait()
    libc.malloc(ctypes.c_size_t(100_000))
    meet.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
meet.wait()
meet.wait()
with tempfile.NamedTemporaryFile() as out:
    stream = ctypes.c_void_p(libc.fopen(out.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(out.read().count(b"<heap nr="))
"""


def heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", HEAPS_OF_THREADS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_threads_share_heaps_once_they_are_told_to() -> None:
    """Eight threads allocate: two heaps in all instead of one each. Elsewhere than with glibc, nothing breaks."""
    if platform.libc_ver()[0] != "glibc":
        process_tuning.limit_heaps()
        return
    assert heaps("own") == 9
    assert heaps("shared") == process_tuning.HEAPS
