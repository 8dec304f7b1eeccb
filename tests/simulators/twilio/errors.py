"""Twilio's failures: a number, a sentence, a link."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "The 'To' number is not a valid phone number.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21609: "The 'StatusCallback' URL is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21619: "A text message body or media urls must be specified.",
    21620: "Invalid media URL(s)",
    21623: "Number of media files exceeds allowed limit.",
    21655: "The ContentSid is Invalid",
    21656: "The ContentVariables Parameter is invalid",
    21910: "Invalid From and To pair. From and To should be of the same channel",
    63005: "Channel did not accept given content. Please see Channel specific error message for more information",
    63007: "Twilio could not find a Channel with the specified From address",
    63016: "Failed to send freeform message because you are outside the allowed window. Please use a Template.",
    63018: "Rate limit exceeded for Channel",
    63019: "Media failed to download",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
}


class TwilioError(Exception):
    """``status``: of HTTP."""

    def __init__(self, code: int, status: int = 400, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message or MESSAGES.get(code, "An error occurred")

    def body(self) -> dict[str, Any]:
        link = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": link, "status": self.status}
