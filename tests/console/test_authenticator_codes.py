"""Signing in with a password and the code of an authenticator app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config import loader
from gateway.config.operators import hash_password
from gateway.config.settings import Config
from gateway.console.authenticator_codes import generate_secret
from schemas.errors import ConfigInvalid
from tests.console.conftest import TEXT, Sit
from tests.console.form_client import PASSWORDS, FormClient
from tests.unit.gateway.conftest import Instance, run_instance

SECRET, NEXT_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"
WRONG = "The name, the password or the code is wrong."


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    text = TEXT.replace("name: Anna Bloom", f"name: Anna Bloom, totp_secret: [{NEXT_SECRET}, {SECRET}]")
    async with run_instance(tmp_path, text) as started:
        yield started


def code_of(instance: Instance, secret: str = SECRET, *, later: float = 0) -> str:
    """What the app shows, on a phone whose clock is so many seconds ahead."""
    return pyotp.TOTP(secret).at(int(instance.clock().timestamp() + later))


async def sign_in(seat: FormClient, code: str, *, name: str = "anna", secret: str = "") -> int:
    fields = {"name": name, "secret": secret or PASSWORDS[name], "code": code}
    return (await seat.post("/console/session", fields)).status


async def test_the_code_is_needed_besides_the_password(instance: Instance, sit: Sit) -> None:
    seat = await sit()
    for code in ("", "000000", "12345", code_of(instance)[::-1] + "x", "١٢٣٤٥٦"):
        assert await sign_in(seat, code) == 401, code
    assert await sign_in(seat, code_of(instance), secret="wrong-password") == 401
    assert await sign_in(seat, code_of(instance)) == 200


@pytest.mark.parametrize(("later", "status"), [(-61, 401), (-30, 200), (0, 200), (30, 200), (61, 401)])
async def test_clocks_may_differ_by_half_a_minute(instance: Instance, sit: Sit, later: float, status: int) -> None:
    assert await sign_in(await sit(), code_of(instance, later=later)) == status


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
async def test_a_new_phone_and_the_old_one_both_work_while_both_secrets_are_there(
    instance: Instance, sit: Sit, secret: str
) -> None:
    assert await sign_in(await sit(), f" {code_of(instance, secret)[:3]} {code_of(instance, secret)[3:]}") == 200


async def test_a_code_is_used_once_however_many_use_it_at_once(instance: Instance, sit: Sit) -> None:
    seats = [await sit() for _ in range(4)]
    code = code_of(instance)
    statuses = await asyncio.gather(*(sign_in(seat, code) for seat in seats))
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 401, 429}
    instance.clock.tick(30)
    assert await sign_in(seats[0], code) == 401
    assert await sign_in(seats[0], code_of(instance)) == 200


async def test_a_wrong_password_does_not_use_up_a_code_and_says_no_more_than_a_wrong_code(
    instance: Instance, sit: Sit
) -> None:
    seat = await sit()
    told = set()
    for name, secret, code in (
        ("anna", "wrong-password", code_of(instance)),
        ("anna", PASSWORDS["anna"], "000000"),
        ("nobody", PASSWORDS["anna"], code_of(instance)),
    ):
        seen = await seat.post("/console/session", {"name": name, "secret": secret, "code": code})
        assert WRONG in seen.words
        told.add(seen.text.replace(name, "NAME"))
    assert len(told) == 1
    assert await sign_in(seat, code_of(instance)) == 200


async def test_whoever_has_no_app_needs_no_code(instance: Instance, sit: Sit) -> None:
    assert await sign_in(await sit(), "", name="ben") == 200
    assert (await (await sit()).sign_in("")).status == 200
    assert "authenticator app" in (await (await sit()).get("/console")).words


async def test_where_codes_are_required_nothing_else_opens_the_console(tmp_path: Path) -> None:
    """Not even a cookie of the admin token from before."""
    others = ("  ben", "  mia", "  vera", "  olga")
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith(others))
    text = text.replace("name: Anna Bloom", f"name: Anna Bloom, totp_secret: {SECRET}")
    async with run_instance(tmp_path, text) as before, FormClient(before) as seat:
        assert (await seat.sign_in("")).status == 200
        cookie = {"Cookie": f"parley_console={seat.cookie}"}
        assert "Sign out" in (await seat.get("/console/shop/conversations")).words
    required = text + "\nconsole: {require_codes: true}\n"
    async with run_instance(tmp_path, required) as instance, FormClient(instance) as seat:
        page = (await seat.get("/console/shop/conversations", headers=cookie)).words
        assert "Code of your authenticator app" in page
        assert "admin token" not in page
        refused = await seat.sign_in("")
        assert (refused.status, "does not open the console" in refused.words) == (401, True)
        assert await sign_in(seat, "") == 401
        assert await sign_in(seat, code_of(instance)) == 200


async def test_guessing_codes_is_slowed_down_like_guessing_passwords(instance: Instance, sit: Sit) -> None:
    seat = await sit()
    for number in range(20):
        await sign_in(seat, f"{number:06}")
    assert instance.clock.slept > 15


def test_the_command_prints_a_secret_that_fits_the_configuration(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["operator", "totp", "anna"])
    secret = done.stdout.strip()
    assert done.exit_code == 0
    assert f"otpauth://totp/Parley:anna?secret={secret}&issuer=Parley" in done.stderr
    for right in (secret, generate_secret()):
        assert load(tmp_path, right).operators["anna"].totp_secret.keys == (right,)
    for wrong in ("short", secret.lower()):
        with pytest.raises(ConfigInvalid, match=r"operators\.anna\.totp_secret"):
            load(tmp_path, wrong)


def test_a_password_without_a_code_is_refused_where_codes_are_required(tmp_path: Path) -> None:
    required = "console: {require_codes: true}"
    assert load(tmp_path, SECRET, required).console.require_codes
    with pytest.raises(ConfigInvalid, match=r"operators\.anna: console\.require_codes demands a totp_secret"):
        load(tmp_path, "[]", required)


def load(folder: Path, totp_secret: str, more: str = "") -> Config:
    file = folder / "parley.yaml"
    operator = f'{{password_hash: "{hash_password("correct-horse")}", totp_secret: {totp_secret}}}'
    file.write_text(f"operators: {{anna: {operator}}}\ntenants: {{shop: {{name: Shop}}}}\n{more}\n")
    return loader.load(file, environ={}, make_secrets=False)
