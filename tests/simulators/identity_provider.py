"""Canaille, a real OpenID provider, on loopback.

It runs apart from our environment, because it has a package named ``tests``."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from joserfc.jwk import RSAKey

from infra.deploy.process import free_port
from tests.harness.processes import ROOT

FOLDER = ROOT / ".cache" / "identity-provider"
"""``make install-dev`` installs it there."""
COMMAND = FOLDER / "bin" / "canaille"
CLIENT_ID, CLIENT_SECRET = "parley", "secret-of-the-client+with/odd=letters"
PASSWORD = "correct-horse-battery"
RUN_ALL = """
import json, sys
from canaille.commands import cli
for arguments in json.load(sys.stdin):
    cli.main(arguments, prog_name="canaille", standalone_mode=False)
"""
CONFIGURATION = """
SECRET_KEY = "0123456789abcdef0123456789abcdef"
SERVER_NAME = "localhost:{port}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/provider.db"
[CANAILLE_OIDC]
ACTIVE_JWKS = [{key}]
REQUIRE_NONCE = true
"""


@dataclass
class IdentityProvider:
    """A running provider. For browsers its name belongs to another site than 127.0.0.1, as a real one does."""

    folder: Path
    port: int

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    async def run_all(self, *commands: list[str]) -> None:
        """Run these of its commands to the end, in one process, because each takes two seconds to start."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            RUN_ALL,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, problems = await process.communicate(json.dumps(commands).encode())
        assert process.returncode == 0, problems.decode()[-2000:]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return kept | {"PYTHONPATH": str(FOLDER), "CANAILLE_CONFIG": str(self.folder / "canaille.toml")}


def list_client_commands(
    redirect_uri: str, *, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET
) -> list[list[str]]:
    """The commands that add a client."""
    method = "client_secret_basic" if secret else "none"
    secrets = ["--client-secret", secret] if secret else []
    create = [
        *("create", "client", "--client-id", client_id, *secrets, "--client-name", "Parley"),
        *("--redirect-uris", redirect_uri, "--grant-types", "authorization_code", "--response-types", "code"),
        *("--scope", "openid", "--scope", "email", "--token-endpoint-auth-method", method),
    ]
    # A client that its pages create is its own audience from the start.
    return [create, ["set", "client", client_id, "--audience", client_id]]


def build_person_command(name: str, email: str) -> list[str]:
    """The command that adds a person with ``PASSWORD``."""
    about = ["--user-name", name, "--family-name", name.title(), "--password", PASSWORD, "--emails", email]
    return ["create", "user", *about]


@asynccontextmanager
async def serve_identity_provider(folder: Path, *commands: list[str]) -> AsyncIterator[IdentityProvider]:
    """A provider with what these commands add to it."""
    assert COMMAND.exists(), "run: make install-dev"
    provider = IdentityProvider(folder, free_port())
    key = RSAKey.generate_key(2048, private=True).as_dict(private=True) | {"kid": "first"}
    text = ", ".join(f'{name} = "{value}"' for name, value in key.items())
    configuration = CONFIGURATION.format(port=provider.port, folder=folder, key="{" + text + "}")
    (folder / "canaille.toml").write_text(configuration)
    await provider.run_all(["install"], *commands)
    log = (folder / "provider.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(COMMAND),
        "run",
        "--bind",
        f"127.0.0.1:{provider.port}",
        env=provider.environment,
        stdout=log,
        stderr=log,
    )
    try:
        await _wait_until_ready(provider)
        yield provider
    finally:
        process.terminate()
        await process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _wait_until_ready(provider: IdentityProvider) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{provider.issuer}/.well-known/openid-configuration") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
