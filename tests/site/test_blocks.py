"""Every code block of every page is run, or checked against what it is for; one of an unknown kind fails."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from agent_worker.actions.registry import load_actions
from agent_worker.knowledge.quality.suite import read_suite
from agent_worker.sources.text_files import Markdown
from connectors.web.settings import WebAccount
from gateway.config import loader
from gateway.config.actions import ActionSettings
from gateway.config.operators import hash_password
from gateway.config.settings import Config, Tenant
from gateway.webchat.identity import verify_identity
from schemas.messages import Speech
from schemas.ports import TranscriberOptions
from tests.deploy import test_adding_a_channel, test_documents, test_first_steps
from tests.harness.processes import ROOT
from tests.site import (
    test_access_guide,
    test_adding_a_source,
    test_backup_guide,
    test_channel_guides,
    test_contacts_guide,
    test_drive_guide,
    test_evals_guide,
    test_feed_guide,
    test_learning_tutorial,
    test_notion_guide,
    test_project_pages,
    test_replay_guide,
    test_scaling_guide,
    test_sources_tutorial,
    test_tutorial,
    test_youtube_guide,
    test_zendesk_guide,
)
from tests.site.blocks import Block, list_blocks, list_pages, parse_blocks

FOLLOWERS: tuple[ModuleType, ...] = (
    test_access_guide,
    test_backup_guide,
    test_tutorial,
    test_channel_guides,
    test_contacts_guide,
    test_drive_guide,
    test_evals_guide,
    test_feed_guide,
    test_notion_guide,
    test_project_pages,
    test_replay_guide,
    test_scaling_guide,
    test_sources_tutorial,
    test_learning_tutorial,
    test_youtube_guide,
    test_zendesk_guide,
    test_adding_a_source,
    test_adding_a_channel,
    test_documents,
    test_first_steps,
)
"""Tests that do what pages say. ``FOLLOWED``: page → kinds of blocks, of which they leave out none."""
WIDGET = ROOT / "connectors" / "web" / "widget" / "src"
SECRET = "0123456789abcdef0123456789abcdef"


def followed() -> dict[str, set[str]]:
    return {page: kinds for module in FOLLOWERS for page, kinds in module.FOLLOWED.items()}


def check_configuration(block: Block, folder: Path) -> None:
    """A whole file, or a part of one: of a tenant, or of its actions."""
    text = re.sub(r"file:/[\w/.-]+", f"file:{folder / 'secret'}", block.text)
    (folder / "secret").write_text(SECRET)
    file = folder / "parley.yaml"
    file.write_text(yaml.safe_dump(complete(yaml.safe_load(text))))
    values = {name: value_of(name) for name in re.findall(r"\$\{(\w+)\}", text)}
    assert loader.load(file, environ=values, make_secrets=False).tenants


def value_of(variable: str) -> str:
    """A value of the right shape."""
    if variable == "TWILIO_ACCOUNT_SID":
        return "AC" + "0" * 32
    if variable.endswith("_TOTP"):
        return "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    return hash_password(SECRET) if variable.endswith("_HASH") else SECRET


def complete(part: dict[str, Any]) -> dict[str, Any]:
    """The part at its place, in a file with what every file needs."""
    models: Mapping[str, type[BaseModel]] = {"file": Config, "tenant": Tenant, "actions": ActionSettings}
    place = next((name for name, model in models.items() if set(part) <= set(model.model_fields)), None)
    assert place is not None, f"no place in parley.yaml has {sorted(part)}"
    if place == "actions":
        part = {"actions": part}
    if place != "file":
        part = {"tenants": {"shop": part}}
    if any(str(part.get(name, "")).startswith(("kafka:", "redis:")) for name in ("bus", "state")):
        part = {"secret_key": SECRET, "admin_token": SECRET} | part
    named = {name for operator in part.get("operators", {}).values() for name in operator.get("tenants", ())}
    tenants = part.setdefault("tenants", {name: {} for name in named or {"shop"}})
    for name, tenant in tenants.items():
        tenants[name] = with_what_it_refers_to({"name": name.title()} | tenant)
    return part


def with_what_it_refers_to(tenant: dict[str, Any]) -> dict[str, Any]:
    """A desk needs the account that it names. Sources of actions are files, which the tests of those pages have."""
    if "desk" in tenant:
        tenant["desk"] = {"kind": "slack", "account": "main", "channel": "C0123456789"} | tenant["desk"]
        account = {"bot_token": "xoxb-1", "signing_secret": SECRET}
        tenant.setdefault("channels", {"slack": {tenant["desk"]["account"]: account}})
    return tenant


def check_make(block: Block, folder: Path) -> None:
    """Commands of make, with their variables; anything else needs a test that follows the page."""
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        elif words == [".venv/bin/pre-commit", "install"]:
            check = [str(ROOT / ".venv" / "bin" / "pre-commit"), "validate-config", ".pre-commit-config.yaml"]
            subprocess.run(check, cwd=ROOT, check=True, capture_output=True)
        else:
            assert not words, f"nobody runs {line!r}"


def check_action_module(block: Block, folder: Path) -> None:
    """It is imported, with what the blocks before it on the page define."""
    blocks = [each for each in list_blocks(block.page) if each.kind == "python" and each.line <= block.line]
    names = "OrderNumber, address_on_order, send_mail"
    before = f"from examples.plantstore.shop.actions import {names}\n" if "address_on_order" in block.text else ""
    file = folder / f"actions_{block.line}.py"
    file.write_text(before + "\n".join(each.text for each in blocks))
    assert load_actions([str(file)])


def check_transcriber(block: Block, folder: Path) -> None:
    """The module offers a transcriber that answers."""
    module: dict[str, Any] = {}
    exec(compile(block.text, block.page, "exec"), module)
    speech = asyncio.run(module["open_transcriber"](TranscriberOptions()).transcribe(b"", ""))
    assert Speech.model_validate(speech).text


def check_document(block: Block, folder: Path) -> None:
    (content,) = Markdown().read(block.about, block.text.encode())
    assert content.title
    assert content.body.strip()


def check_claims(block: Block, folder: Path) -> None:
    """A token with these claims is one that the edge accepts, for the tenant and account that they name."""
    claims = json.loads(block.text)
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}).encode(), block.text.encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    seal = base64.urlsafe_b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).rstrip(b"=")
    account = WebAccount.model_validate({"identity_secret": SECRET})
    now = datetime.fromtimestamp(claims["iat"], UTC)
    identity = verify_identity(b".".join([signed, seal]).decode(), account, now, audience=claims["aud"])
    assert (identity.subject, identity.name) == (claims["sub"], claims["name"])


def check_widget_tag(block: Block, folder: Path) -> None:
    """The script and its attributes are those of the widget."""
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(block.text)
    ((tag, attributes),) = tags
    assert (tag, (attributes["src"] or "").rpartition("/")[2]) == ("script", "widget.js")
    table = (ROOT / "docs" / "widget.md").read_text()
    given = {name.removeprefix("data-") for name in attributes if name.startswith("data-")}
    assert given
    assert all(f"`{name}`" in table for name in given)


def check_style(block: Block, folder: Path) -> None:
    """Every property that the page sets is one that the widget reads."""
    read = (WIDGET / "widget.css").read_text()
    properties = re.findall(r"(--[\w-]+):", block.text)
    assert properties
    assert [name for name in properties if f"var({name}," not in read] == []


def check_packages(block: Block, folder: Path) -> None:
    """Packages of this repository, in the order of the linter's layers or by their folders."""
    named = re.findall(r"^(\w+)/|(\w+)(?= +[>|]|$)", block.text, re.MULTILINE)
    folders = {first or second for first, second in named if (first or second).islower()}
    assert {"gateway", "connectors", "agent_worker", "infra", "schemas"} <= folders
    if ">" in block.text:
        contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        layers = next(each["layers"] for each in contracts if each["id"] == "direction")
        assert [layer.strip() for layer in block.text.split(">")] == layers


def check_suite(block: Block, _folder: Path) -> None:
    """A suite for ``parley knowledge check`` as the page describes it, with a rule of every kind."""
    suite = read_suite(yaml.safe_load(block.text))
    rules = set().union(*(message.model_fields_set for case in suite.cases for message in case.messages))
    assert {"must_contain", "must_not_contain", "must_cite", "must_decline", "polarity", "sources", "parts"} <= rules


CHECKS: dict[str, Callable[[Block, Path], None]] = {
    "yaml": check_configuration,
    "yaml suite": check_suite,
    "sh": check_make,
    "python": check_action_module,
    "python transcriber": check_transcriber,
    "markdown": check_document,
    "json": check_claims,
    "html": check_widget_tag,
    "css": check_style,
    "text packages": check_packages,
}
"""By kind, or by kind and what stands behind it."""
BLOCKS = [block for page in list_pages() for block in list_blocks(page)]


def find_check(block: Block) -> Callable[[Block, Path], None] | None:
    return CHECKS.get(f"{block.kind} {block.about}") or CHECKS.get(block.kind)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_run_or_checked(block: Block, tmp_path: Path) -> None:
    if block.kind in followed().get(block.page, ()):
        return  # by a test that leaves out no block of this kind on this page
    check = find_check(block)
    assert check is not None, f"nobody runs or checks {block}"
    check(block, tmp_path)


def test_every_page_is_found_and_every_followed_page_has_the_blocks() -> None:
    assert len(list_pages()) > 60
    assert len(BLOCKS) > 100
    for page, kinds in followed().items():
        assert {block.kind for block in list_blocks(page)} >= kinds - {"text"}, page


@pytest.mark.parametrize(
    "text",
    [
        "```rust\nfn main() {}\n```",
        "```\nls\n```",
        "```sh\nrm -rf /\n```",
        "```sh\nmake no-such-target\n```",
        "```yaml\nchannels: {discord: {main: {tokn: x}}}\n```",
        "```yaml\nno_such_setting: 1\n```",
        '```json\n{"sub": "", "name": "", "aud": "a/b", "iat": 1790000000, "exp": 1790000600}\n```',
        "```css\nparley-chat { --parley-colour: red }\n```",
        "```html\n<script src='https://support.example.com/widget.js' data-tennant='shop'></script>\n```",
        "```python\nimport no_such_module\n```",
    ],
)
def test_a_wrong_block_would_be_noticed(text: str, tmp_path: Path) -> None:
    (block,) = parse_blocks(text, "docs/index.md")
    with pytest.raises((AssertionError, Exception)):  # each check has errors of its own
        test_a_block_is_run_or_checked(block, tmp_path)


def test_a_block_that_does_not_end_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        parse_blocks("```sh\nls\n")
