"""Errors as Discord answers them. One line a refusal that a bot can meet, so that a caller names what happened.

Source: the pages "Opcodes and Status Codes" and "Error Messages" of Discord's documentation.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is an error: the HTTP status, Discord's own code and words, and the places in a form."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.more = more
        self.body = {"message": message, "code": code, **more}


KNOWN: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10014: (400, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    20012: (403, "You are not authorized to perform this action on this application"),
    20016: (429, "This action cannot be performed due to slowmode rate limit"),
    20028: (429, "The write action you are performing on the channel has hit the write rate limit"),
    30010: (400, "Maximum number of reactions reached (20)"),
    30015: (400, "Maximum number of attachments in a message reached (10)"),
    30032: (400, "Maximum number of application commands reached (100)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40003: (429, "You are opening direct messages too fast"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40062: (429, "Service resource is being rate limited."),
    40333: (403, "internal network error"),
    50001: (403, "Missing Access"),
    50003: (403, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50027: (401, "Invalid Webhook Token"),
    50033: (400, "Invalid Recipient(s)"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
    160002: (403, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "Thread is locked"),
    200000: (400, "Message was blocked by automatic moderation"),
}


def refusal(code: int, **more: Any) -> Refusal:
    status, message = KNOWN[code]
    return Refusal(status, code, message, **more)


def make_plain_refusal(status: int, words: str) -> Refusal:
    """The errors without a code of their own: a wrong token, an unknown path, a wrong method."""
    return Refusal(status, 0, f"{status}: {words}")


class Form:
    """Collects what is wrong with a form, place by place, and refuses it as a whole (50035)."""

    def __init__(self) -> None:
        self._errors: dict[str, Any] = {}

    def wrong(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        spot = self._errors
        for step in path:
            spot = spot.setdefault(str(step), {})
        spot.setdefault("_errors", []).append({"code": code, "message": message})

    def long(self, path: tuple[str | int, ...], value: Any, most: int) -> None:
        """Refuses a text or list with more than ``most`` characters or items."""
        if value is not None and len(value) > most:
            self.wrong(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")

    def between(self, path: tuple[str | int, ...], value: Any, least: int, most: int) -> None:
        if not least <= len(value) <= most:
            self.wrong(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")

    def required(self, path: tuple[str | int, ...]) -> None:
        self.wrong(path, "BASE_TYPE_REQUIRED", "This field is required")

    def text(self, path: tuple[str | int, ...], value: Any, most: int, *, least: int = 0) -> None:
        """A text of at most ``most`` characters; one that must be there when ``least`` is above 0."""
        if value is None or value == "":
            if least:
                self.required(path)
        elif not isinstance(value, str):
            self.wrong(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
        elif least:
            self.between(path, value, least, most)
        else:
            self.long(path, value, most)

    def choice(self, path: tuple[str | int, ...], value: Any, among: tuple[int | str, ...]) -> None:
        if value not in among:
            self.wrong(path, "BASE_TYPE_CHOICES", f"Value must be one of {among}.")

    def items(self, path: tuple[str | int, ...], value: Any) -> list[Any]:
        """The list at this place; anything else is refused and read as empty."""
        if value is None or isinstance(value, list):
            return value or []
        self.wrong(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return []

    def check(self) -> None:
        if self._errors:
            raise Refusal(400, 50035, "Invalid Form Body", errors=self._errors)
