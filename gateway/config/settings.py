"""What may be written in the configuration file (contract §3). Loading, environment and errors are in config.py."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, create_model, model_validator

from agent_worker.phrases import DEFAULT_VOICE
from connectors.registry import CHANNELS, load_settings_model
from connectors.settings import Settings, require_pattern
from connectors.web.settings import WebAccount
from gateway.config.actions import ActionSettings
from gateway.config.desk import Desk
from gateway.config.knowledge import KnowledgeSettings
from gateway.config.models import Budgets, Language, ModelEntry, ModelName, VoiceExample, web_address
from gateway.config.operators import OperatorSettings
from gateway.config.routing import Routes
from schemas.privacy.cards import OwnNumbers
from schemas.privacy.harmless_numbers import compile_own_numbers

# Settings of a tenant about long numbers in messages: the ones that must not be masked as payment cards.


def _findable(patterns: list[str]) -> list[str]:
    compile_own_numbers(patterns)
    return patterns


class Protection(Settings):
    own_numbers: Annotated[list[str], AfterValidator(_findable)] = []
    """Numbers that this tenant gives out (orders, parcels), as `PS-#####`: `#` stands for a digit, `@` for a letter.
    They are never taken for a card's number, and are masked in exports."""

    @property
    def finder(self) -> OwnNumbers | None:
        return compile_own_numbers(self.own_numbers)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError("must be an address or a network, such as 10.0.0.0/8 or 192.0.2.7") from None


Slug = Annotated[str, AfterValidator(lambda text: require_pattern(text, r"[a-z0-9][a-z0-9_-]{0,62}", _SLUG))]
"""The name of a tenant or of an account: it stands in addresses, in keys and in file names."""

_SLUG = "must be 1-63 of a-z, 0-9, '-' and '_', and begin with a letter or a digit"


def _listen(text: str) -> str:
    require_pattern(text, r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}", "must be host:port, such as 127.0.0.1:8080")
    if int(text.rpartition(":")[2]) > 65535:
        raise ValueError("the port must be at most 65535")
    return text


def _bus(text: str) -> str:
    return require_pattern(text, r"sqlite|kafka://[^/\s]+", "must be sqlite or kafka://host:port[,host:port]")


def _state(text: str) -> str:
    return require_pattern(text, r"sqlite|rediss?://\S+", "must be sqlite, redis://host:port/0 or rediss://host:port/0")


def _blobs(text: str) -> str:
    return require_pattern(text, r"file|s3://\S+", "must be file or s3://bucket/prefix")


def _prefix(text: str) -> str:
    return require_pattern(text, r"[A-Za-z0-9._-]*", "may hold letters, digits, '.', '_' and '-' only")


class _Channels(Settings):
    """Channel → account name → settings. Which channels there are, and what an account of each may say, is read from
    the channels' own packages."""

    web: dict[Slug, WebAccount] = {}

    def accounts(self) -> dict[str, dict[str, Any]]:
        return {name: dict(getattr(self, name)) for name in type(self).model_fields}


if TYPE_CHECKING:
    Channels = _Channels
else:
    Channels = create_model(
        "Channels", __base__=_Channels, **{name: (dict[Slug, load_settings_model(name)], {}) for name in CHANNELS}
    )


class Limits(Settings):
    inbound_per_s: float = Field(default=200, gt=0)
    """Messages a second that each account of each channel may bring, and three seconds' worth at once; over it the edge
    answers 429. No channel uses up what another may bring. Sessions of the web chat have as much of their own."""
    address_share: float = Field(default=0.25, gt=0, le=1)
    """The part of ``inbound_per_s`` that visitors without a signed identity may use from one client address (an IPv4
    address, or a /64 network of IPv6), with two thirds of what the account may bring at once."""
    sockets_per_visitor: int = Field(default=20, ge=1)
    """Sockets and long polls that one visitor may have open at an edge process; a further socket is closed with 1008, a
    further poll gets 429."""
    sockets_per_address: int = Field(default=250, ge=1)
    """The same for all visitors without a signed identity at one client address."""
    turns_at_once: int = Field(default=2000, ge=1)
    """Turns of this tenant that one worker runs at once."""
    contact_per_minute: int = Field(default=30, ge=1)
    contact_per_hour: int = Field(default=300, ge=1)
    """Messages of one contact for which models are asked that cost something. For as many again `local` answers; then
    the contact is asked to wait, once, and is heard again when the minute or the hour is over."""
    file_bytes: int = Field(default=10 * 1024 * 1024, ge=0, le=10 * 1024 * 1024)
    """Size of a file that a contact may send by a vendor's channel; of a larger one only its name is kept."""
    contact_bytes_per_day: int = Field(default=100 * 1024 * 1024, ge=1)
    """Bytes that one contact may store from midnight to midnight UTC: files by every channel, and on the web words too.
    Over it a web visitor gets 429 until the day ends; of a vendor's file only the name is kept."""
    stored_file_bytes: int = Field(default=50 * 1024**3, ge=1)
    """Bytes of all files that the tenant keeps. Over it an upload gets 413, and of a vendor's file only the name is
    kept."""
    text_bytes_per_day: int = Field(default=1024**3, ge=1)
    """Bytes of words that all of the tenant's web visitors may store from midnight to midnight UTC; over it, 429."""


class Fold(Settings):
    """Quiet seconds to wait for more messages before a turn starts, by channel; and the longest wait in all."""

    web: float = Field(default=0.3, ge=0, le=30)
    others: float = Field(default=1.2, ge=0, le=30)
    longest: float = Field(default=15, ge=0, le=120)
    restarts: int = Field(default=2, ge=0, le=10)


Grade = Annotated[str, Field(min_length=1, max_length=24)]


class Voice(Settings):
    """The agent's name, and its set phrases in the tenant's own words. ``wait`` is said when no model can be asked;
    ``not_found_about`` and ``not_answered`` name the ``{questions}`` among several that have no answer;
    ``expected_wait``, ``closed`` and ``closed_until`` follow ``handoff`` where there is a desk; ``rating_scale`` goes
    from the worst to the best.
    ``instructions`` and ``examples`` tell remote models how to write; one for all languages, or by language."""

    name: str = DEFAULT_VOICE.name
    locale: str = DEFAULT_VOICE.locale
    not_found: str = DEFAULT_VOICE.not_found
    not_found_about: str = DEFAULT_VOICE.not_found_about
    not_answered: str = DEFAULT_VOICE.not_answered
    person_offer: str = DEFAULT_VOICE.person_offer
    handoff: str = DEFAULT_VOICE.handoff
    expected_wait: str = DEFAULT_VOICE.expected_wait
    closed: str = DEFAULT_VOICE.closed
    closed_until: str = DEFAULT_VOICE.closed_until
    assistant_choice: str = Field(default=DEFAULT_VOICE.assistant_choice, min_length=1, max_length=60)
    go_on: str = DEFAULT_VOICE.go_on
    colleague_wrote: str = DEFAULT_VOICE.colleague_wrote
    rating_ask: str = DEFAULT_VOICE.rating_ask
    rating_scale: tuple[Grade, Grade, Grade, Grade, Grade] = DEFAULT_VOICE.rating_scale
    rating_thanks: str = DEFAULT_VOICE.rating_thanks
    failed: str = DEFAULT_VOICE.failed
    voice_note: str = DEFAULT_VOICE.voice_note
    file: str = DEFAULT_VOICE.file
    file_missing: str = DEFAULT_VOICE.file_missing
    too_long: str = DEFAULT_VOICE.too_long
    unsupported: str = DEFAULT_VOICE.unsupported
    unsupported_kind: str = DEFAULT_VOICE.unsupported_kind
    location: str = DEFAULT_VOICE.location
    contacts: str = DEFAULT_VOICE.contacts
    shared: str = DEFAULT_VOICE.shared
    story_mention: str = DEFAULT_VOICE.story_mention
    missed_call: str = DEFAULT_VOICE.missed_call
    call_allowed: str = DEFAULT_VOICE.call_allowed
    call_declined: str = DEFAULT_VOICE.call_declined
    order: str = DEFAULT_VOICE.order
    danger: str = DEFAULT_VOICE.danger
    abilities: str = DEFAULT_VOICE.abilities
    presence: str = DEFAULT_VOICE.presence
    complaint: str = DEFAULT_VOICE.complaint
    offer_declined: str = DEFAULT_VOICE.offer_declined
    what_else: str = DEFAULT_VOICE.what_else
    too_many: str = DEFAULT_VOICE.too_many
    wait: str = DEFAULT_VOICE.wait
    instructions: str | dict[Language, str] = ""
    examples: list[VoiceExample] | dict[Language, list[VoiceExample]] = []
    confirm: str = DEFAULT_VOICE.confirm
    confirm_yes: str = Field(default=DEFAULT_VOICE.confirm_yes, min_length=1, max_length=60)
    confirm_no: str = Field(default=DEFAULT_VOICE.confirm_no, min_length=1, max_length=60)
    confirm_again: str = DEFAULT_VOICE.confirm_again
    confirm_expired: str = DEFAULT_VOICE.confirm_expired
    confirm_open: str = DEFAULT_VOICE.confirm_open
    confirm_unclear: str = DEFAULT_VOICE.confirm_unclear
    confirm_unread: str = DEFAULT_VOICE.confirm_unread
    confirm_given_up: str = DEFAULT_VOICE.confirm_given_up
    confirm_gone: str = DEFAULT_VOICE.confirm_gone
    declined: str = DEFAULT_VOICE.declined
    done: str = DEFAULT_VOICE.done
    refused: str = DEFAULT_VOICE.refused
    not_done: str = DEFAULT_VOICE.not_done
    unclear: str = DEFAULT_VOICE.unclear
    still_unclear: str = DEFAULT_VOICE.still_unclear
    unclear_still: str = DEFAULT_VOICE.unclear_still
    needs_identity: str = DEFAULT_VOICE.needs_identity
    limit_reached: str = DEFAULT_VOICE.limit_reached
    approval_asked: str = DEFAULT_VOICE.approval_asked
    approval_denied: str = DEFAULT_VOICE.approval_denied
    approval_expired: str = DEFAULT_VOICE.approval_expired


def _days(least: int, most: int, why: str) -> AfterValidator:
    def checked(days: int) -> int:
        if not least <= days <= most:
            raise ValueError(f"must be {least} to {most}: {why}")
        return days

    return AfterValidator(checked)


_INBOUND = _days(8, 60, "messages are told apart from repeats for 8 days, and consumers' offsets are kept for 60")
_OUTBOUND = _days(1, 7, "what was sent is known for 8 days, and must be gone from the topic before that")
_EVENTS = _days(9, 3650, "a rebuild of the state needs the outcomes of the last 8 days")


class Retention(Settings):
    """How many days the topics keep records. Tenants share the topics: the longest of their wishes holds. Transcripts,
    contacts and files are kept without an end."""

    inbound_days: Annotated[int, _INBOUND] = 30
    outbound_days: Annotated[int, _OUTBOUND] = 7
    events_days: Annotated[int, _EVENTS] = 90


class Tenant(Settings):
    name: str
    limits: Limits = Limits()
    channels: Channels = Channels()
    voice: Voice = Voice()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    fold: Fold = Fold()
    retention: Retention = Retention()
    protection: Protection = Protection()
    model: ModelName | dict[Language, ModelName] = "local"
    """The entry of ``models`` that answers, or one by language (``{de: german, en: english}``; others are answered by
    the entry of the voice's ``locale``, or the first); when it fails, its ``fallback`` does, then `local`."""
    budgets: Budgets = Budgets()
    actions: ActionSettings = ActionSettings()
    desk: Desk | None = None
    """Where people take over; without it they do so in the console and over the admin API."""
    routes: Routes | None = None
    """Other models for some messages, and a person for others; without it `model` answers all."""

    @model_validator(mode="after")
    def _has_its_desk(self) -> Tenant:
        desk = self.desk
        if desk is not None and desk.account not in self.channels.accounts()[desk.kind]:
            raise ValueError(f"desk.account names {desk.account!r}, which is no account under channels.{desk.kind}")
        return self


class Telemetry(Settings):
    """Traces, sent by OTLP/HTTP to a collector such as ``http://collector:4318``; empty: none are made. ``sample`` is
    the share of requests that is traced. ``join_callers``: go on with the traceparent of requests, to be set only where
    a proxy of yours sets that header."""

    otlp_endpoint: Annotated[str, AfterValidator(web_address)] = ""
    sample: float = Field(default=1.0, ge=0, le=1)
    join_callers: bool = False


class Kafka(Settings):
    """How to reach the brokers of ``bus: kafka://…``, and how ``parley topics create`` makes topics.

    ``ca_file`` (PEM) is for brokers whose certificate no public authority signed; ``cert_file`` and ``key_file`` where
    the brokers ask for one of ours. 0 copies: three, or as many as there are brokers."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    replication_factor: int = Field(default=0, ge=0, le=15)
    min_insync_replicas: int = Field(default=0, ge=0, le=15)

    @model_validator(mode="after")
    def _fits(self) -> Kafka:
        if self.security_protocol.startswith("SASL") != bool(self.username):
            raise ValueError(
                "username and password go with security_protocol SASL_SSL or SASL_PLAINTEXT, and these need them"
            )
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password go together")
        if not self.security_protocol.endswith("SSL") and (self.ca_file or self.cert_file or self.key_file):
            raise ValueError("ca_file, cert_file and key_file need security_protocol SSL or SASL_SSL")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")
        if self.min_insync_replicas > (self.replication_factor or 3):
            raise ValueError("min_insync_replicas cannot be more than replication_factor")
        return self


class Redis(Settings):
    """How to reach the server of ``state: redis://…``; ``rediss://`` encrypts, and ``ca_file`` (PEM) is for a server
    whose certificate no public authority signed."""

    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = ""


class Config(Settings):
    """The whole file. Once loaded, ``data_dir`` and the tenants' knowledge paths are absolute."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8080"
    public_url: Annotated[str, AfterValidator(web_address)] = ""
    trusted_proxies: list[Annotated[str, AfterValidator(_network)]] = []
    """Networks of the reverse proxies in front of the edge, such as ``10.0.0.0/8``. Only they are believed about where
    a request comes from; without them it comes from whoever is connected."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which they say so. The other one is ignored: a client could write it."""
    data_dir: str = Field(default=".parley", min_length=1)
    bus: Annotated[str, AfterValidator(_bus)] = "sqlite"
    state: Annotated[str, AfterValidator(_state)] = "sqlite"
    blobs: Annotated[str, AfterValidator(_blobs)] = "file"
    encoder: str = Field(default="auto", min_length=1)
    """What documents are compared with questions by: ``light`` word vectors; a folder with a sentence encoder
    (``model.onnx``, ``tokenizer.json``, ``encoder.json``); or ``auto``, the sentence encoder that was fetched, else
    ``light``."""
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    telemetry: Telemetry = Telemetry()
    transcriber: str = ""
    """Who listens to voice notes: the name of an entry point in the group ``parley.transcribers``. Empty: nobody; then
    contacts are asked to write."""
    topic_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    partitions: int = Field(default=24, ge=1, le=1000)
    secret_key: SecretStr = SecretStr("")
    admin_token: SecretStr = SecretStr("")
    stall_seconds: float = Field(default=10.0, ge=0.5, le=300)
    """A record whose handling blocks the process for so long counts as one that may be poisonous: the second time it is
    set aside as a dead letter."""
    operators: dict[Slug, OperatorSettings] = {}
    """People who sign in to the console by a name and a password; the admin token opens it too."""
    models: dict[str, ModelEntry] = {"local": ModelEntry()}
    tenants: dict[Slug, Tenant] = Field(min_length=1)
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """Where the file stands."""
        return self._folder

    @property
    def embedded(self) -> bool:
        return self.bus == "sqlite" and self.state == "sqlite"

    @property
    def desks(self) -> dict[str, str]:
        """The kinds of desks, by the tenants that have one."""
        return {name: tenant.desk.kind for name, tenant in self.tenants.items() if tenant.desk is not None}

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def local_url(self) -> str:
        """Where a command on this machine finds the running instance."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "*": "127.0.0.1"}.get(self.host, self.listen.rpartition(":")[0])  # noqa: S104
        return f"http://{host}:{self.port}"
