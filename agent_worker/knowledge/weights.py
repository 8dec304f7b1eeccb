"""Numbers of a model as their file has them, mapped: what is looked up is held by the system's cache, which all
processes of a machine share, and not by each of them."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors

_SIZE = struct.Struct("<Q")


class Weights:
    """A table in half precision, one of those of a safetensors file: the size of a head, the head as JSON, which says
    where each table stands behind it. For any number of threads."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises OSError, ValueError when the file has no such table."""
        import numpy as np

        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = _SIZE.unpack_from(self._mapped)
        about = json.loads(self._mapped[_SIZE.size : _SIZE.size + size]).get(name)
        if about is None or about["dtype"] != "F16" or len(about["shape"]) != 2:
            raise ValueError(f"{path.name} has no table {name} in half precision")
        count, width = about["shape"]
        begin = _SIZE.size + size + about["data_offsets"][0]
        self._rows: NDArray[np.float16] = np.frombuffer(self._mapped, np.float16, count * width, begin).reshape(
            -1, width
        )

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, numbers: NDArray[np.int64]) -> Vectors:
        """Those rows, exact."""
        import numpy as np

        return self._rows[numbers].astype(np.float32)

    def release(self) -> None:
        """Give the memory back that looking up took. Whoever looks up meanwhile only reads again."""
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
