"""Streams, assistant threads and files: what is more than one call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import MARK, Clock, refusal


@pytest.fixture
async def slack(clock: Clock) -> AsyncIterator[SlackVendor]:
    """A workspace whose time stands until the test moves it."""
    vendor = SlackVendor(now=clock)
    async with vendor.serving():
        yield vendor


async def test_the_sdks_stream_is_one_message_that_grows(slack: SlackVendor, client: AsyncWebClient) -> None:
    """It is shown from the first part on, and has our mark when it is stopped."""
    asked = slack.people.say("Ann", "how much light?")
    stream = await client.chat_stream(channel=asked.room.id, thread_ts=asked.ts, buffer_size=1)
    await stream.append(markdown_text="Bright, ")
    (shown,) = slack.ledger.shown
    assert (shown.text, shown.streamed, shown.place) == ("Bright, ", True, slack.place("Ann"))
    await stream.append(markdown_text="**indirect** light.")
    assert shown.text == "Bright, **indirect** light."
    assert shown.marker == ""
    yes: dict[str, Any] = {"type": "button", "text": {"type": "plain_text", "text": "Thanks"}, "action_id": "ok"}
    stopped = await stream.stop(metadata=MARK, blocks=[{"type": "actions", "elements": [yes]}])
    assert stopped["ts"] == shown.id
    assert (shown.text, shown.choices, shown.marker) == ("Bright, **indirect** light.", ["Thanks"], "reply-1")
    assert len(slack.ledger.shown) == 1


async def test_a_stream_ends(slack: SlackVendor, client: AsyncWebClient, clock: Clock) -> None:
    """By stopping, by age, by deletion, or by the person; afterwards nothing can be added."""
    asked = slack.people.say("Ann", "how much light?")

    async def started() -> dict[str, Any]:
        clock.now += 10
        answer = await client.chat_startStream(channel=asked.room.id, thread_ts=asked.ts, markdown_text="Bright")
        return {"channel": answer["channel"], "ts": answer["ts"]}

    stopped = await started()
    assert await refusal(client.chat_update(**stopped, text="x")) == "streaming_state_conflict"
    await client.chat_stopStream(**stopped)
    assert await refusal(client.chat_appendStream(**stopped, markdown_text="x")) == "message_not_in_streaming_state"
    await client.chat_update(**stopped, text="Changed afterwards")
    deleted = await started()
    await client.chat_delete(**deleted)
    assert await refusal(client.chat_appendStream(**deleted, markdown_text="x")) == "message_not_found"
    halted = await started()
    slack.people.stop_stream(halted["ts"])
    assert await refusal(client.chat_appendStream(**halted, markdown_text="x")) == "stopped_by_user"
    old = await started()
    clock.now += 301
    assert await refusal(client.chat_stopStream(**old)) == "message_not_in_streaming_state"
    other: dict[str, Any] = {"channel": asked.room.id, "ts": asked.ts}
    assert await refusal(client.chat_appendStream(**other, markdown_text="x")) == "message_not_owned_by_app"


async def test_a_stream_in_a_channel_names_who_reads_it(slack: SlackVendor, client: AsyncWebClient) -> None:
    """And every stream is an answer in a thread."""
    room = slack.channel("support")
    root = slack.people.say("Ann", "help", room)
    given: dict[str, Any] = {"channel": room.id, "thread_ts": root.ts}
    assert await refusal(client.chat_startStream(**given)) == "missing_recipient_team_id"
    given["recipient_team_id"] = slack.workspace.team
    assert await refusal(client.chat_startStream(**given)) == "missing_recipient_user_id"
    await client.chat_startStream(**given, recipient_user_id=root.author.id)
    assert await refusal(client.api_call("chat.startStream", json={"channel": room.id})) == "invalid_arguments"


async def test_parts_of_a_stream_that_are_refused(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Unknown chunks, tasks without a title, and more than 12,000 characters."""
    asked = slack.people.say("Ann", "hello")
    begun = await client.chat_startStream(channel=asked.room.id, thread_ts=asked.ts)
    about: dict[str, Any] = {"channel": begun["channel"], "ts": begun["ts"]}
    assert await refusal(client.chat_appendStream(**about, markdown_text="x" * 12_001)) == "msg_too_long"
    assert await refusal(client.chat_appendStream(**about, chunks=[{"type": "song"}])) == "invalid_chunks"
    assert await refusal(client.chat_appendStream(**about, chunks=[{"type": "task_update", "id": "1"}])) == (
        "invalid_chunks"
    )
    assert await refusal(client.chat_appendStream(**about, markdown_text="")) == "no_text"
    assert await refusal(client.chat_stopStream(**about)) == "no_text"


async def test_a_status_lasts_two_minutes_or_until_the_answer(
    slack: SlackVendor, client: AsyncWebClient, clock: Clock
) -> None:
    """Or until it is emptied."""
    asked = slack.people.say("Ann", "hello")
    channel, ts = asked.room.id, asked.ts

    async def think(status: str = "is thinking…") -> str:
        await client.assistant_threads_setStatus(channel_id=channel, thread_ts=ts, status=status)
        return slack.status(channel, ts)

    assert await think() == "is thinking…"
    clock.now += 121
    assert slack.status(channel, ts) == ""
    await think()
    assert await think("") == ""
    await think()
    await client.chat_postMessage(channel=channel, thread_ts=ts, text="Hi!")
    assert slack.status(channel, ts) == ""
    many = ["…"] * 11
    status = client.assistant_threads_setStatus(channel_id=channel, thread_ts=ts, status="x", loading_messages=many)
    assert await refusal(status) == "invalid_arguments"


async def test_an_assistant_thread_has_a_title_and_four_prompts(slack: SlackVendor, client: AsyncWebClient) -> None:
    """What the person opened is a thread of their direct messages."""
    root = slack.people.open_assistant("Ann")
    channel = slack.place("Ann")
    prompts = [{"title": f"Ask {number}", "message": "How often do I water it?"} for number in range(5)]
    given: dict[str, Any] = {"channel_id": channel, "thread_ts": root}
    assert await refusal(client.assistant_threads_setSuggestedPrompts(**given, prompts=prompts)) == "invalid_arguments"
    await client.assistant_threads_setSuggestedPrompts(**given, prompts=prompts[:4])
    await client.assistant_threads_setTitle(**given, title="Watering")
    assert len(slack.assistants.prompts[channel, root]) == 4
    assert slack.assistants.titles[channel, root] == "Watering"
    gone = client.assistant_threads_setTitle(channel_id=channel, thread_ts="1.000001", title="x")
    assert await refusal(gone) == "invalid_thread_ts"


async def test_the_sdks_upload_puts_a_file_into_a_thread(slack: SlackVendor, client: AsyncWebClient) -> None:
    """The answer does not say in which message: only files.info and the history do."""
    asked = slack.people.say("Ann", "the invoice?")
    answer = await client.files_upload_v2(
        channel=asked.room.id,
        thread_ts=asked.ts,
        content=b"%PDF-1.7",
        filename="invoice.pdf",
        title="Invoice",
        initial_comment="Here it is.",
    )
    (shown,) = slack.ledger.shown
    assert (shown.text, shown.files[0].name, shown.files[0].data) == ("Here it is.", "invoice.pdf", b"%PDF-1.7")
    assert shown.files[0].type == "application/pdf"
    assert set(answer["files"][0]) == {"id", "title"}
    about = (await client.files_info(file=answer["files"][0]["id"]))["file"]
    assert about["shares"]["private"][asked.room.id][0]["ts"] == shown.id
    replies = await client.conversations_replies(channel=asked.room.id, ts=asked.ts)
    assert replies["messages"][-1]["files"][0]["id"] == about["id"]
    assert await refusal(client.files_info(file="F404")) == "file_not_found"


async def test_uploads_that_are_refused(slack: SlackVendor, client: AsyncWebClient) -> None:
    """Nothing, another length than announced, and completing what never came."""
    assert await refusal(client.files_getUploadURLExternal(filename="a.txt", length=0)) == "missing_argument"
    as_json = client.api_call("files.getUploadURLExternal", json={"filename": "a.txt", "length": 3})
    assert await refusal(as_json) == "invalid_arguments"
    promise = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    async with aiohttp.ClientSession() as session:
        async with session.post(promise["upload_url"], data=b"toolong") as response:
            assert response.status == 400
        files: list[dict[str, str | None]] = [{"id": promise["file_id"]}]
        assert await refusal(client.files_completeUploadExternal(files=files)) == "file_not_found"
        form = aiohttp.FormData()
        form.add_field("filename", b"abc", filename="a.txt")
        async with session.post(promise["upload_url"], data=form) as response:
            assert response.status == 200
    assert (await client.files_completeUploadExternal(files=files))["files"][0]["id"] == promise["file_id"]
    assert slack.ledger.shown == []
