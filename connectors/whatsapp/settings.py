"""Settings of a WhatsApp account: a number at Meta, or a number at Twilio."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.settings import Address, Secret, Settings, require_pattern
from schemas.ports import RateLimit

TWILIO = "https://api.twilio.com"
TWILIO_CONTENT = "https://content.twilio.com"


def _pattern(pattern: str, description: str) -> AfterValidator:
    return AfterValidator(lambda text: require_pattern(text, pattern, description))


def _pace(per_second: float) -> RateLimit:
    return RateLimit(per_second, max(1, int(per_second)))


class Template(Settings):
    """A template for contacts who have been silent for more than 24 hours. ``parameters`` fill the body's variables in
    order; ``{text}`` stands for the message."""

    name: Annotated[str, _pattern(r"[a-z0-9_]{1,512}", "must be a template's name: a-z, 0-9 and _")]
    language: Annotated[str, _pattern(r"[a-z]{2,3}(_[A-Z]{2,3})?", "must be a language such as en or pt_BR")] = "en_US"
    parameters: list[str] = ["{text}"]


class MetaAccount(Settings):
    """A number in Meta's Cloud API. ``app_secret`` signs webhooks; you choose ``verify_token``. ``per_second``: the
    number's sending limit (20 if it is also in the WhatsApp Business app, 1000 after an upgrade)."""

    provider: Literal["meta"]
    phone_number_id: Annotated[str, _pattern(r"\d{5,20}", "must be the number's id (digits), not the number itself")]
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
    list_label: Annotated[str, _pattern(r".{1,20}", "must have 1-20 characters")] = "Options"
    """Label of the button that opens a list of choices."""
    per_second: float = Field(default=75, gt=0)
    """Messages a second that the number may send."""

    @property
    def pace(self) -> RateLimit:
        return _pace(self.per_second)


class ContentTemplate(Settings):
    """The same as ``Template``, stored at Twilio. The variables may contain ``{text}``."""

    content_sid: Annotated[str, _pattern(r"HX[0-9a-fA-F]{32}", "must be a content template's id: HX and 32 digits")]
    variables: dict[str, str] = {"1": "{text}"}


class TwilioAccount(Settings):
    """A number at Twilio. ``auth_token`` signs webhooks and authorizes requests, unless there is an API key
    (``key_sid`` and ``key_secret``), which can be revoked separately. ``webhook_keys`` are shared keys that sign
    webhooks with SHA-256, id and secret; if there are any, signatures of the token are refused. ``content_base`` is the
    address of the templates, by default beside ``api_base``. ``list_label`` opens a list of choices."""

    provider: Literal["twilio"]
    account_sid: Annotated[str, _pattern(r"AC[0-9a-fA-F]{32}", "must be the account's id: AC and 32 digits")]
    auth_token: Secret
    """The primary token, with which Twilio signs webhooks."""
    from_: Annotated[str, _pattern(r"whatsapp:\+\d{5,20}", "must be like whatsapp:+15550100")] = Field(alias="from")
    key_sid: Annotated[str, _pattern(r"(SK[0-9a-fA-F]{32})?", "must be an API key's id: SK and 32 digits")] = ""
    key_secret: SecretStr = SecretStr("")
    webhook_keys: dict[str, Secret] = {}
    api_base: Address = TWILIO
    content_base: Address | None = None
    template: ContentTemplate | None = None
    list_label: Annotated[str, _pattern(r".{1,20}", "must have 1-20 characters")] = "Options"
    per_second: float = Field(default=75, gt=0)

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
