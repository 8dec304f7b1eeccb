"""Block Kit: what Slack refuses, and what it fills in. Limits are those of the reference pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.simulators.slack.encoding import Refusal, structure
from tests.simulators.slack.ids import Ids
from tests.simulators.slack.workspace import Json

TEXT_OF = {"section": 3000, "header": 150, "markdown": 12_000}
ELEMENTS_OF = {"actions": 25, "context": 10, "context_actions": 5}
TOTAL = 13_200
"""Characters of a message's blocks. It is not documented; bolt-js issue 2509 measured it."""
MESSAGE_TYPES = {
    *ELEMENTS_OF,
    *TEXT_OF,
    *("alert", "card", "carousel", "container", "divider", "file", "image", "input", "plan", "rich_text"),
    *("table", "task_card", "video"),
}
LABELS = {"button": 75, "option": 75}


def read(value: Any, *, most: int = 50) -> list[Json]:
    """Blocks as they were sent. Raises Refusal."""
    blocks = structure(value, "invalid_blocks_format")
    if blocks is None:
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise Refusal("invalid_blocks_format")
    if len(blocks) > most:
        raise Refusal("invalid_blocks", f"no more than {most} items allowed [json-pointer:/blocks]")
    for index, block in enumerate(blocks):
        _check(block, f"/blocks/{index}")
    _check_ids(blocks)
    return blocks


def read_for_message(value: Any) -> list[Json]:
    blocks = read(value)
    if sum(len(json.dumps(block, ensure_ascii=False)) for block in blocks) > TOTAL:
        raise Refusal("msg_blocks_too_long")
    return blocks


def _refuse(what: str, where: str) -> Refusal:
    return Refusal("invalid_blocks", f"{what} [json-pointer:{where}]")


def _check(block: Json, where: str) -> None:
    kind = block.get("type")
    if kind not in MESSAGE_TYPES:
        raise _refuse(f"unsupported type: {kind}", f"{where}/type")
    if len(str(block.get("block_id", ""))) > 255:
        raise _refuse("must be less than 256 characters", f"{where}/block_id")
    if kind in ("section", "header"):
        _check_section(block, where)
    if kind == "markdown" and not 0 < len(str(block.get("text", ""))) <= TEXT_OF["markdown"]:
        raise _refuse("must be between 1 and 12000 characters", f"{where}/text")
    if kind in ELEMENTS_OF:
        _check_elements(block, where, ELEMENTS_OF[kind])
    if kind == "input" and not isinstance(block.get("element"), dict):
        raise _refuse("missing required field: element", where)
    for index, element in enumerate(elements_of(block)):
        _check_element(element, f"{where}/elements/{index}")


def _check_section(block: Json, where: str) -> None:
    most = TEXT_OF[block["type"]]
    fields = block.get("fields", [])
    if "text" not in block and (block["type"] == "header" or not fields):
        raise _refuse("missing required field: text", where)
    if "text" in block:
        _check_text(block["text"], most, f"{where}/text", plain=block["type"] == "header")
    if len(fields) > 10:
        raise _refuse("no more than 10 items allowed", f"{where}/fields")
    for index, each in enumerate(fields):
        _check_text(each, 2000, f"{where}/fields/{index}")


def _check_text(text: Any, most: int, where: str, *, plain: bool = False) -> None:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):
        raise _refuse("must be a text object", where)
    if plain and text["type"] != "plain_text":
        raise _refuse("must be plain_text", f"{where}/type")
    written = text.get("text")
    if not isinstance(written, str) or not written:
        raise _refuse("must be more than 0 characters", f"{where}/text")
    if len(written) > most:
        raise _refuse(f"must be less than {most + 1} characters", f"{where}/text")


def _check_elements(block: Json, where: str, most: int) -> None:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        raise _refuse("no less than 1 item allowed", f"{where}/elements")
    if len(elements) > most:
        raise _refuse(f"no more than {most} items allowed", f"{where}/elements")


def _check_element(element: Json, where: str) -> None:
    if len(str(element.get("action_id", ""))) > 255:
        raise _refuse("must be less than 256 characters", f"{where}/action_id")
    if element.get("type") == "button":
        _check_button(element, where)
    options = element.get("options", [])
    if str(element.get("type", "")).endswith("_select") and "options" in element and not 0 < len(options) <= 100:
        raise _refuse("must have 1 to 100 items", f"{where}/options")
    for index, option in enumerate(options):
        _check_text(option.get("text"), LABELS["option"], f"{where}/options/{index}/text")
        if len(str(option.get("value", ""))) > 150:
            raise _refuse("must be less than 151 characters", f"{where}/options/{index}/value")


def _check_button(button: Json, where: str) -> None:
    _check_text(button.get("text"), LABELS["button"], f"{where}/text", plain=True)
    if len(str(button.get("value", ""))) > 2000:
        raise _refuse("must be less than 2001 characters", f"{where}/value")
    if len(str(button.get("url", ""))) > 3000:
        raise _refuse("must be less than 3001 characters", f"{where}/url")
    if button.get("style") not in (None, "primary", "danger"):
        raise _refuse("must be primary or danger", f"{where}/style")


def _check_ids(blocks: list[Json]) -> None:
    named = [block["block_id"] for block in blocks if block.get("block_id")]
    if len(named) != len(set(named)):
        raise _refuse("block_id already exists", "/blocks")
    for block in blocks:
        actions = [element["action_id"] for element in elements_of(block) if element.get("action_id")]
        if len(actions) != len(set(actions)):
            raise _refuse("action_id already exists", "/blocks")


def elements_of(block: Json) -> list[Json]:
    """What can be pressed or filled in."""
    found = [block[key] for key in ("accessory", "element") if isinstance(block.get(key), dict)]
    if block.get("type") in ("actions", "context_actions"):
        found += [element for element in block.get("elements", []) if isinstance(element, dict)]
    found += [element for element in block.get("actions", []) if isinstance(element, dict)]
    return found


def actions_in(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every block with an element of it, in reading order."""
    for block in blocks:
        for element in elements_of(block):
            yield block, element


def complete(blocks: list[Json], ids: Ids) -> list[Json]:
    """A copy with the ids that Slack adds where the app gave none."""
    copied: list[Json] = json.loads(json.dumps(blocks))
    for block in copied:
        block.setdefault("block_id", ids.new("", 5))
        for element in elements_of(block):
            element.setdefault("action_id", ids.new("", 5))
    return copied
