"""users.*, bots.info, auth.test, reactions.*, and assistant.threads.*."""

from __future__ import annotations

import re
from typing import Any

from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.encoding import Refusal, is_true, structure
from tests.simulators.slack.workspace import Json, Person, Post, Room

STATUS_LASTS = 120.0
LOADING = 10
PROMPTS = 4


def profile(call: Call, person: Person) -> Json:
    home = person.team == call.slack.workspace.team
    shown = person.name if person.display_name is None else person.display_name
    about: Json = {"real_name": person.name, "display_name": shown, "team": person.team}
    if "users:read.email" in call.slack.scopes and home and not person.bot_id:
        about["email"] = person.email
    facts: Json = {
        "id": person.id,
        "team_id": person.team,
        "name": person.name.casefold().replace(" ", "."),
        "real_name": person.name,
        "deleted": person.deleted,
        "tz": "Europe/Berlin",
        "profile": about,
        "is_bot": bool(person.bot_id),
        "is_app_user": False,
        "is_restricted": person.kind == "guest",
        "is_ultra_restricted": False,
        "is_stranger": not home,
    }
    return {**facts, "locale": "en-US"} if is_true(call.args.get("include_locale")) else facts


def user_info(call: Call) -> Json:
    return {"ok": True, "user": profile(call, call.user())}


def by_email(call: Call) -> Json:
    call.need("email")
    person = call.slack.workspace.by_email(call.text("email"))
    if person is None:
        raise Refusal("users_not_found")
    return {"ok": True, "user": profile(call, person)}


def bot_info(call: Call) -> Json:
    call.need("bot")
    person = call.slack.workspace.by_bot(call.text("bot"))
    if person is None:
        raise Refusal("bot_not_found")
    about = {"id": person.bot_id, "deleted": False, "name": person.name, "updated": 0, "app_id": person.app_id}
    return {"ok": True, "bot": {**about, "user_id": person.id, "icons": {}}}


def auth_test(call: Call) -> Json:
    bot, workspace = call.slack.bot, call.slack.workspace
    about = {"url": f"https://{workspace.domain}.slack.com/", "team": workspace.domain, "team_id": workspace.team}
    who = {"user": bot.name, "user_id": bot.id, "bot_id": bot.bot_id}
    return {"ok": True, **about, **who, "is_enterprise_install": False}


def find_reaction(call: Call) -> tuple[Post, str]:
    if not call.text("channel") or not call.text("timestamp"):
        raise Refusal("no_item_specified")
    post = call.post(call.joined(), "timestamp")
    name = call.text("name").strip(":")
    if not re.fullmatch(r"[\w+'-]+(::skin-tone-[2-6])?", name):
        raise Refusal("invalid_name")
    return post, name


def react(post: Post, person: Person, name: str) -> None:
    """Raises Refusal."""
    reactions = post.body.setdefault("reactions", [])
    entry = next((each for each in reactions if each["name"] == name), None)
    if entry is None:
        entry = {"name": name, "users": [], "count": 0}
        reactions.append(entry)
    if person.id in entry["users"]:
        raise Refusal("already_reacted")
    entry["users"].append(person.id)
    entry["count"] += 1


def take_back(post: Post, person: Person, name: str) -> None:
    """Raises Refusal."""
    reactions = post.body.get("reactions", [])
    entry = next((each for each in reactions if each["name"] == name and person.id in each["users"]), None)
    if entry is None:
        raise Refusal("no_reaction")
    entry["users"].remove(person.id)
    entry["count"] -= 1
    if not entry["users"]:
        reactions.remove(entry)


def reaction_add(call: Call) -> Json:
    post, name = find_reaction(call)
    react(post, call.slack.bot, name)
    call.slack.announcer.reacted(post, call.slack.bot, name, removed=False)
    call.slack.ledger.changed()
    return {"ok": True}


def reaction_remove(call: Call) -> Json:
    post, name = find_reaction(call)
    take_back(post, call.slack.bot, name)
    call.slack.announcer.reacted(post, call.slack.bot, name, removed=True)
    call.slack.ledger.changed()
    return {"ok": True}


def reaction_get(call: Call) -> Json:
    if not call.text("channel") or not call.text("timestamp"):
        raise Refusal("no_item_specified")
    post = call.post(call.joined(), "timestamp")
    return {"ok": True, "type": "message", "channel": post.room.id, "message": post.body}


def assistant_thread(call: Call, *, required: bool = True) -> tuple[Room, str]:
    room = call.room("channel_id")
    if required:
        call.need("thread_ts")
    root = call.text("thread_ts")
    if root and root not in room.posts:
        raise Refusal("invalid_thread_ts")
    return room, root


def set_status(call: Call) -> Json:
    room, root = assistant_thread(call)
    messages = structure(call.args.get("loading_messages"), "invalid_arguments") or []
    if "status" not in call.args:
        call.need("status")
    if len(messages) > LOADING:
        raise Refusal("invalid_arguments", f"no more than {LOADING} items allowed [json-pointer:/loading_messages]")
    status = {"status": call.text("status"), "loading_messages": messages}
    call.slack.assistants.statuses[room.id, root] = (status, call.slack.now() + STATUS_LASTS)
    call.slack.ledger.changed()
    return {"ok": True}


def set_prompts(call: Call) -> Json:
    room, root = assistant_thread(call, required=False)
    call.need("prompts")
    prompts = structure(call.args["prompts"], "invalid_arguments")
    whole = isinstance(prompts, list) and all(
        isinstance(each, dict) and each.get("title") and each.get("message") for each in prompts
    )
    if not whole:
        raise Refusal("invalid_arguments", "each prompt needs a title and a message [json-pointer:/prompts]")
    if len(prompts) > PROMPTS:
        raise Refusal("invalid_arguments", f"no more than {PROMPTS} items allowed [json-pointer:/prompts]")
    call.slack.assistants.prompts[room.id, root] = prompts
    return {"ok": True}


def set_title(call: Call) -> Json:
    room, root = assistant_thread(call)
    call.need("title")
    call.slack.assistants.titles[room.id, root] = call.text("title")
    return {"ok": True}


METHODS: dict[str, Any] = {
    "users.info": Method(user_info, "users:read", 4, json=False),
    "users.lookupByEmail": Method(by_email, "users:read.email", 3, json=False),
    "bots.info": Method(bot_info, "users:read", 3, json=False),
    "auth.test": Method(auth_test, "", 5),
    "reactions.add": Method(reaction_add, "reactions:write", 3),
    "reactions.remove": Method(reaction_remove, "reactions:write", 2),
    "reactions.get": Method(reaction_get, "reactions:read", 3, json=False),
    "assistant.threads.setStatus": Method(set_status, "chat:write", 5),
    "assistant.threads.setSuggestedPrompts": Method(set_prompts, "assistant:write", 4),
    "assistant.threads.setTitle": Method(set_title, "assistant:write", 4),
}
