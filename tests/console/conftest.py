"""The console over a real store, without the agent; and a browser to look at it."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.console import sessions
from tests.console.form_client import PASSWORDS, FormClient
from tests.harness.installation import ADMIN_TOKEN, SECRET_KEY
from tests.unit.gateway.conftest import Instance, run_instance
from tests.widget.conftest import browser

__all__ = ["browser"]


def hash_quickly(password: str) -> str:
    """A hash of little work, so that tests spend their time elsewhere."""
    salt = b"0123456789abcdef"
    key = hashlib.scrypt(password.encode(), salt=salt, n=2, r=8, p=1, dklen=32)
    salt_text, key_text = (urlsafe_b64encode(data).decode().rstrip("=") for data in (salt, key))
    return f"scrypt:2:8:1:{salt_text}:{key_text}"


TEXT = f"""
data_dir: data
encoder: light
secret_key: {SECRET_KEY}
admin_token: {ADMIN_TOKEN}
partitions: 3
operators:
  anna: {{password_hash: "{hash_quickly(PASSWORDS["anna"])}", name: Anna Bloom, role: owner}}
  ben: {{password_hash: "{hash_quickly(PASSWORDS["ben"])}", tenants: [shop], role: admin}}
  mia: {{password_hash: "{hash_quickly(PASSWORDS["mia"])}", tenants: [shop]}}
  vera: {{password_hash: "{hash_quickly(PASSWORDS["vera"])}", tenants: [shop], role: viewer}}
  olga: {{password_hash: "{hash_quickly(PASSWORDS["olga"])}", tenants: [shop], role: owner}}
tenants:
  shop:
    name: Shop
    channels: {{web: {{main: {{}}}}}}
  other:
    name: Other
    channels: {{web: {{main: {{}}}}}}
"""

Sit = Callable[..., Awaitable[FormClient]]


@pytest.fixture(autouse=True)
def quick_hash_of_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of names that nobody has are compared with a hash of little work, too."""
    monkeypatch.setattr(sessions, "DUMMY_HASH", hash_quickly("nobody"))


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with run_instance(tmp_path, TEXT) as started:
        yield started


@pytest.fixture
async def sit(instance: Instance) -> AsyncIterator[Sit]:
    """``await sit("anna")``: a seat where Anna is signed in; nobody is where no name is given."""
    async with AsyncExitStack() as stack:

        async def taken(name: str | None = None) -> FormClient:
            seat = await stack.enter_async_context(FormClient(instance))
            if name is not None:
                assert (await seat.sign_in(name)).status == 200
            return seat

        yield taken


@pytest.fixture
async def anna(sit: Sit) -> FormClient:
    return await sit("anna")


@pytest.fixture
async def ben(sit: Sit) -> FormClient:
    return await sit("ben")


@pytest.fixture
async def admin(sit: Sit) -> FormClient:
    return await sit("")
