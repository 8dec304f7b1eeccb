"""python -m tests.platforms.drive --port 9110 --key drive-key.json"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.platforms.drive import serve_drive
from tests.platforms.drive.workspace import DriveWorkspace, sheet

CARE = """# Care

## How often do I water a sundew?

Stand it in two centimetres of rain water, and fill up when the saucer is dry.
"""
SETTINGS = """
    knowledge:
      sources:
        - location: drive://{root}
          options: {{service_account: "file:{key}", api_url: "{url}"}}
      private_hosts: ["{host}"]
"""


async def serve(port: int, key: Path) -> None:
    async with serve_drive(port) as server:
        workspace = DriveWorkspace(server)
        workspace.document("Care of carnivorous plants", CARE, workspace.root)
        rows = (("Plant", "Price"), ("Sundew", "9 €"), ("Pitcher plant", "24 €"))
        workspace.spreadsheet("Price list", workspace.root, sheet(0, "Plants", *rows))
        key.touch(mode=0o600)
        key.write_text(workspace.account.key_file(f"{server.url}/token"))
        settings = SETTINGS.format(root=workspace.root, key=key.resolve(), url=server.url, host=server.host)
        print(f"A folder with two files. Add this to the tenant in parley.yaml:\n{settings}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.platforms.drive", description="A simulated Google Drive")
    parser.add_argument("--port", type=int, default=9110)
    parser.add_argument("--key", type=Path, default=Path("drive-key.json"), help="where to write the account's key")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, given.key))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
