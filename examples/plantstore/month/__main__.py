"""Play a month of the shop's traffic: `python -m examples.plantstore.month`, in a folder with its parley.yaml."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import aiohttp
import yaml

from examples.plantstore.month.traffic import PlayedConversation, ShopTraffic
from gateway.commands.common.instance import find_instance, not_running_error
from gateway.config.loader import load

CONVERSATIONS = Path(__file__).with_name("conversations.yaml")


def read_conversations(file: Path) -> list[PlayedConversation]:
    return [PlayedConversation.model_validate(each) for each in yaml.safe_load(file.read_text())["conversations"]]


async def play_month(config_file: Path, tenant: str) -> None:
    """Play all conversations against the instance that runs with this configuration. Raises SetupError."""
    config = load(config_file)
    conversations = read_conversations(CONVERSATIONS)
    async with aiohttp.ClientSession() as http:
        url = await find_instance(http, config, None)
        if not url:
            raise not_running_error(config, None)
        traffic = ShopTraffic(http, url, config.admin_token.get_secret_value(), tenant)
        await traffic.play_all(conversations)
    thumbs, answers = (
        sum(bool(each.thumb) for each in conversations),
        sum(bool(each.colleague) for each in conversations),
    )
    print(f"{len(conversations)} conversations, {thumbs} thumbs, {answers} answers of colleagues")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("parley.yaml"))
    parser.add_argument("--tenant", default="plantstore")
    options = parser.parse_args()
    asyncio.run(play_month(options.config, options.tenant))
