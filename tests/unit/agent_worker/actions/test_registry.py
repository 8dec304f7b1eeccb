"""Actions are loaded from their sources, and unusable ones refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_worker.actions import AmountLimit
from agent_worker.actions.registry import load_actions, load_source
from gateway.config.actions import ActionSettings
from gateway.wiring.actions import build_action_rules
from schemas.errors import ConfigInvalid

OWN = '''
from pydantic import BaseModel
from agent_worker.actions import ActionContext, action

class Order(BaseModel):
    order: str

@action(risk="read", needs="anonymous")
async def where(context: ActionContext, arguments: Order) -> Order:
    """Say where an order is."""
    return arguments
'''


def write_module(folder: Path, text: str, name: str = "own.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_holds_actions(tmp_path: Path) -> None:
    (only,) = load_source(write_module(tmp_path, OWN))
    assert (only.name, only.title, only.description) == ("where", "Where", "Say where an order is.")


def test_a_module_written_for_an_earlier_release_finds_the_limit_by_its_old_name(tmp_path: Path) -> None:
    own = OWN.replace("ActionContext, action", "ActionContext, above, action").replace("order: str", "amount: float")
    own = own.replace('risk="read"', 'risk="write", approve=above("amount", 50)')
    (only,) = load_source(write_module(tmp_path, own))
    assert isinstance(only.approve, AmountLimit)
    assert only.approve.value == 50


def test_a_module_holds_actions() -> None:
    actions = load_actions(["tests.unit.agent_worker.actions.shop"])
    assert list(actions) == ["refund", "status", "note"]


def test_an_installed_package_offers_actions_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, OWN, "my_own_actions.py")
    about = tmp_path / "mine-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[parley.actions]\nmine = my_own_actions\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(load_actions(["mine"])) == ["where"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "there is no action in"),
        ("raise OSError('no disk')", "cannot be loaded: OSError: no disk"),
        (OWN.replace("async def", "def"), "must be `async def where"),
        (OWN.replace("arguments: Order", "arguments: str"), "must be `async def where"),
        (OWN.replace("order: str", "contact_id: str"), "contact_id: comes with the context"),
        (OWN.replace('risk="read"', 'risk="read", name="Where Is"'), "its name must be"),
        (OWN.replace('risk="read"', 'risk="read", timeout=0'), "timeout must be"),
        (OWN.replace('risk="read"', 'risk="write", sensitive=["x"]'), "sensitive names a parameter"),
    ],
)
def test_an_unusable_action_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        load_source(write_module(tmp_path, text))


@pytest.mark.parametrize("source", ["no.such.module", "nothing.py"])
def test_an_action_source_that_does_not_exist_is_reported(source: str) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be loaded"):
        load_source(source)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("def broken(:\n", "correct line 1 of "),
        ("raise OSError('no disk')", "correct what it does when it is imported"),
        ("import no_such_library\n", "correct what it does when it is imported"),
        ("open('no-such-file')", "correct what it does when it is imported"),
    ],
)
def test_the_fix_for_a_source_that_cannot_be_loaded_is_about_its_mistake(tmp_path: Path, text: str, fix: str) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be loaded") as refused:
        load_source(write_module(tmp_path, text))
    assert refused.value.fix.startswith(fix)


@pytest.mark.parametrize(
    ("source", "fix"), [("no.such.module", "name a .py file, a module"), ("nothing.py", "create it, or correct its")]
)
def test_the_fix_for_a_source_that_does_not_exist_says_what_to_name(source: str, fix: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load_source(source)
    assert refused.value.fix.startswith(fix)


def test_two_actions_of_one_name_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="two named 'where'"):
        load_actions([write_module(tmp_path, OWN), write_module(tmp_path, OWN, "other.py")])


def test_a_tenant_says_otherwise_within_what_can_work() -> None:
    def limited(**limits: Any) -> Any:
        settings = {"sources": ["tests.unit.agent_worker.actions.shop"], "limits": limits}
        return build_action_rules("shop", ActionSettings.model_validate(settings)).actions

    assert limited(refund={"per_contact_per_day": 3})["refund"].per_contact_per_day == 3
    assert limited(refund={"approve": {"parameter": "amount", "above": 5}})["refund"].approve.value == 5
    assert "note" not in limited(note={"offered": False})
    with pytest.raises(ConfigInvalid, match="there is no action 'refnd'"):
        limited(refnd={})
    with pytest.raises(ConfigInvalid, match="a read is neither"):
        limited(status={"confirm": True})
