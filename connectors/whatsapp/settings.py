"""Settings of a WhatsApp account: a number at Meta, or a number at Twilio."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from connectors.settings import Address, Secret, Settings, require_pattern
from schemas.key_ring import KeyRing, Keys
from schemas.ports import RateLimit

TWILIO = "https://api.twilio.com"
TWILIO_CONTENT = "https://content.twilio.com"


def _pattern(pattern: str, description: str) -> AfterValidator:
    return AfterValidator(lambda text: require_pattern(text, pattern, description))


def _pace(per_second: float) -> RateLimit:
    return RateLimit(per_second, max(1, int(per_second)))


_NUMBER_ID = "must be the number's id of 5-20 digits, not the number itself"


class Template(Settings):
    """A template for contacts who have been silent for more than 24 hours."""

    name: Annotated[str, _pattern(r"[a-z0-9_]{1,512}", "must be a template's name: a-z, 0-9 and _")]
    """The template's name in WhatsApp Manager. Meta must have approved it."""
    language: Annotated[str, _pattern(r"[a-z]{2,3}(_[A-Z]{2,3})?", "must be a language such as en or pt_BR")] = "en_US"
    """The language in which the template was approved, such as ``en_US``."""
    parameters: list[str] = ["{text}"]
    """The values of the variables in the template's body, in order. ``{text}`` stands for the message."""


class MetaAccount(Settings):
    """A number in Meta's Cloud API."""

    provider: Literal["meta"]
    """The number is connected to Meta's Cloud API."""
    phone_number_id: Annotated[str, _pattern(r"\d{5,20}", _NUMBER_ID)]
    """The id of the number (*WhatsApp*, *API Setup*), not the number itself."""
    access_token: Secret
    """The token of a system user, which sends messages and fetches files."""
    app_secret: Secret
    """The secret of the app, with which Meta signs webhooks."""
    verify_token: Secret
    """A text of your choice, which Meta sends when the webhook is set up."""
    api_base: Address = "https://graph.facebook.com/v26.0"
    """Host and version of the API."""
    template: Template | None = None
    """The template for contacts who have been silent for 24 hours. Without it such messages fail."""
    list_label: Annotated[str, _pattern(r".{0,20}", "must have at most 20 characters")] = ""
    """Label of the button that opens a list of choices; by default “Options” in the language of the message."""
    per_second: float = Field(default=75, gt=0)
    """Messages a second that the number may send: 20 if it is also in the WhatsApp Business app, 1000 after an upgrade.
    """

    @property
    def pace(self) -> RateLimit:
        return _pace(self.per_second)


class ContentTemplate(Settings):
    """A template for contacts who have been silent for more than 24 hours, stored at Twilio."""

    content_sid: Annotated[str, _pattern(r"HX[0-9a-fA-F]{32}", "must be a content template's id: HX and 32 digits")]
    """The template's id, ``HX…`` (Twilio's console, *Content Template Builder*). WhatsApp must have approved it."""
    variables: dict[str, str] = {"1": "{text}"}
    """The values of the template's variables, by number. ``{text}`` stands for the message."""


class TwilioAccount(Settings):
    """A number at Twilio."""

    provider: Literal["twilio"]
    """The number is a WhatsApp sender at Twilio."""
    account_sid: Annotated[str, _pattern(r"AC[0-9a-fA-F]{32}", "must be the account's id: AC and 32 digits")]
    """The account's id, ``AC…``, on the first page of Twilio's console."""
    auth_token: Secret
    """The primary token, on the first page of Twilio's console. Twilio signs webhooks with it. Without an API key it
    also authorizes requests."""
    from_: Annotated[str, _pattern(r"whatsapp:\+\d{5,20}", "must be like whatsapp:+15550100")] = Field(alias="from")
    """The number of the WhatsApp sender, such as ``whatsapp:+15550100`` (*Messaging*, *Senders*, *WhatsApp senders*).
    """
    key_sid: Annotated[str, _pattern(r"(SK[0-9a-fA-F]{32})?", "must be an API key's id: SK and 32 digits")] = ""
    """The id of an API key, ``SK…``, for requests to Twilio; it can be revoked without changing ``auth_token``. Empty:
    ``auth_token`` authorizes requests."""
    key_secret: Keys = Field(default_factory=KeyRing)
    """The secret of the API key, which Twilio shows only when the key is created."""
    webhook_keys: dict[str, Secret] = {}
    """Shared keys that sign webhooks with SHA-256 (a Twilio beta): id and secret. If there are any, signatures made
    with ``auth_token`` are refused."""
    api_base: Address = TWILIO
    """The address of Twilio's API. Change it only for a proxy or a simulator."""
    content_base: Address | None = None
    """The address of Twilio's Content API, which stores templates. By default it follows ``api_base``."""
    template: ContentTemplate | None = None
    """The template for contacts who have been silent for 24 hours. Without it such messages fail."""
    list_label: Annotated[str, _pattern(r".{0,20}", "must have at most 20 characters")] = ""
    """Label of the button that opens a list of choices; by default “Options” in the language of the message."""
    per_second: float = Field(default=75, gt=0)
    """Messages a second that the number may send."""

    @property
    def pace(self) -> RateLimit:
        return _pace(self.per_second)

    @property
    def content(self) -> str:
        """The address of the Content API."""
        return self.content_base or (TWILIO_CONTENT if self.api_base == TWILIO else self.api_base)

    @model_validator(mode="after")
    def _check_key(self) -> TwilioAccount:
        if bool(self.key_sid) != bool(self.key_secret.get_secret_value()):
            raise ValueError("key_sid and key_secret go together")
        return self


ACCOUNT = Annotated[MetaAccount | TwilioAccount, Field(discriminator="provider")]
"""Discriminated by ``provider``."""
