"""Serves the shop by itself, as several workers need it: `python -m examples.plantstore.shop --port 8090`."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from .api import build_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.plantstore.shop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / ".parley" / "shop")
    options = parser.parse_args()
    os.umask(0o077)  # the outbox holds codes, the database customers
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"The shop is at http://{options.host}:{options.port}; its database and outbox are in {options.folder}")
    web.run_app(
        build_app(options.folder, lambda: datetime.now(UTC).date()), host=options.host, port=options.port, print=None
    )


if __name__ == "__main__":
    main()
