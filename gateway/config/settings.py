"""The settings of the configuration file: the whole file, and the sections of a tenant and of the servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, create_model, model_validator

from connectors.registry import CHANNELS, load_settings_model
from connectors.settings import Settings, require_pattern
from connectors.web.settings import WebAccount
from gateway.config.actions import ActionSettings
from gateway.config.default_models import check_dev_model
from gateway.config.desk import DeskSettings
from gateway.config.field_types import (
    Language,
    ListenAddress,
    ModelName,
    Network,
    OptionalListenAddress,
    Slug,
    WebAddress,
    build_local_url,
    split_address,
)
from gateway.config.knowledge import KnowledgeSettings
from gateway.config.models import AdapterSettings, BudgetSettings, ModelEntry, TranscriberEntry
from gateway.config.operators import ConsoleSettings, OperatorSettings
from gateway.config.privacy import PrivacySettings, ProtectionSettings, RetentionSettings
from gateway.config.routing import RoutingSettings
from gateway.config.voice import VoiceSettings
from infra.state.registry import check_address, describe_addresses, find_engine, load_sections
from schemas.key_ring import KeyRing, Keys


def _check_bus(text: str) -> str:
    return require_pattern(text, r"sqlite|kafka://[^/\s]+", "must be sqlite or kafka://host:port[,host:port]")


def _check_blobs(text: str) -> str:
    return require_pattern(text, r"file|s3://\S+", "must be file or s3://bucket/prefix")


def _check_prefix(text: str) -> str:
    return require_pattern(text, r"[A-Za-z0-9._-]*", "must contain only letters, digits, '.', '_' and '-'")


class _Channels(Settings):
    """The tenant's accounts: channel → account name → settings. Each channel's package defines the settings of its
    accounts."""

    web: dict[Slug, WebAccount] = {}

    def accounts(self) -> dict[str, dict[str, Any]]:
        return {name: dict(getattr(self, name)) for name in type(self).model_fields}


if TYPE_CHECKING:
    Channels = _Channels
else:
    _ACCOUNTS = Field(default={}, description="Accounts on this channel, by names of your choice.")
    Channels = create_model(
        "Channels",
        __base__=_Channels,
        **{name: (dict[Slug, load_settings_model(name)], _ACCOUNTS) for name in CHANNELS},
    )


class LimitSettings(Settings):
    """Limits on what comes in and on what is stored."""

    inbound_per_s: float = Field(default=200, gt=0)
    """Messages a second for each account of each channel, with bursts of three seconds' worth. Above that the edge
    answers 429. Each account has its own limit. New sessions of the web chat have a separate limit of the same size."""
    address_share: float = Field(default=0.25, gt=0, le=1)
    """The share of ``inbound_per_s`` that all visitors without a signed identity at one client address (an IPv4
    address, or an IPv6 /64 network) may use together. Their bursts may be two thirds of the account's. It is also
    the share of ``text_bytes_per_day`` and ``stored_file_bytes`` that one such address, or one contact, may use of what
    all others have left: of text within a day, of files within a month (UTC)."""
    waiting_per_address: int = Field(default=100, ge=1)
    """Unanswered messages of all visitors without a signed identity at one client address. Above that a message gets
    429 until one of them is answered."""
    sockets_per_visitor: int = Field(default=20, ge=1)
    """Sockets and long polls that one visitor may have open at one edge process. Above that a new socket is closed with
    1008 and a new poll gets 429."""
    sockets_per_address: int = Field(default=250, ge=1)
    """The same for all visitors without a signed identity at one client address."""
    turns_at_once: int = Field(default=2000, ge=1)
    """Turns of this tenant that one worker runs at the same time."""
    contact_per_minute: int = Field(default=30, ge=1)
    """Messages of one contact in a minute for which models with costs are called. `local` answers the same number
    again. After that the contact is asked once to wait, and further messages are only recorded until the minute is
    over."""
    contact_per_hour: int = Field(default=300, ge=1)
    """The same for an hour."""
    file_bytes: int = Field(default=10 * 1024 * 1024, ge=0, le=10 * 1024 * 1024)
    """The largest file that a contact may send through a vendor's channel. Of a larger file only the name is kept."""
    contact_bytes_per_day: int = Field(default=100 * 1024 * 1024, ge=1)
    """Bytes that one contact may store in a day (UTC): files on every channel, and on the web also text. Above that a
    web visitor gets 429 until the day is over; of a vendor's file only the name is kept."""
    stored_file_bytes: int = Field(default=50 * 1024**3, ge=1)
    """Bytes of all files that the tenant keeps. Above that an upload gets 413, and of a vendor's file only the name is
    kept."""
    text_bytes_per_day: int = Field(default=1024**3, ge=1)
    """Bytes of text that all web visitors of the tenant may store in a day (UTC). Above that they get 429."""


class FoldSettings(Settings):
    """How long to wait for more messages of a contact, so that one turn answers all of them."""

    web: float = Field(default=0.3, ge=0, le=30)
    """Seconds without a new message, on the web, before a turn starts."""
    others: float = Field(default=1.2, ge=0, le=30)
    """The same for all other channels."""
    longest: float = Field(default=15, ge=0, le=120)
    """Seconds to wait at most, even if messages keep coming."""
    restarts: int = Field(default=2, ge=0, le=10)
    """How often a turn starts again because a message came meanwhile."""


class Tenant(Settings):
    """One tenant: an organization with its own channels, documents and people."""

    name: str
    """The name that contacts see."""
    limits: LimitSettings = LimitSettings()
    """Limits on messages, connections and stored files."""
    channels: Channels = Channels()
    """The accounts at which contacts reach the tenant."""
    voice: VoiceSettings = VoiceSettings()
    """The agent's name, and the phrases in which it writes."""
    knowledge: KnowledgeSettings = KnowledgeSettings()
    """The documents that answers come from."""
    fold: FoldSettings = FoldSettings()
    """How long to wait for further messages before answering."""
    retention: RetentionSettings = RetentionSettings()
    """How long topics keep records, and how long the state is kept."""
    protection: ProtectionSettings = ProtectionSettings()
    """How personal data and the numbers of payment cards are protected."""
    privacy: PrivacySettings = PrivacySettings()
    """How contacts have their own data deleted."""
    model: ModelName | dict[Language, ModelName] = "local"
    """The entry of ``models`` that answers, or one for each language (``{de: german, en: english}``; other languages
    get the entry of ``voice.locale``, or the first one). If it fails, its ``fallback`` answers, then `local`. By
    default ``local``; in `parley dev`, what ``dev_model`` names."""
    adapters: list[AdapterSettings] = []
    """Tuned adapters that answer in place of their models. `parley finetune promote` writes them to
    ``adapters.yaml``, beside the configuration."""
    budgets: BudgetSettings = BudgetSettings()
    """How much the tenant's models may spend."""
    transcriber: str = ""
    """The entry of ``transcribers`` that transcribes voice notes. Empty: none does, and contacts who send a voice note
    are asked to write."""
    actions: ActionSettings = ActionSettings()
    """Actions that the agent can carry out for a contact, such as cancelling an order."""
    desk: DeskSettings | None = None
    """The place where people take over conversations. Without it they use the console or the admin API."""
    routes: RoutingSettings | None = None
    """Rules that send some messages to other models or to a person. Without them, ``model`` answers all messages."""

    @model_validator(mode="after")
    def _check_desk_account(self) -> Tenant:
        desk = self.desk
        if desk is not None and desk.account not in self.channels.accounts()[desk.kind]:
            raise ValueError(f"desk.account names {desk.account!r}, which is not an account under channels.{desk.kind}")
        return self


class TelemetrySettings(Settings):
    """Traces, exported by OTLP/HTTP."""

    otlp_endpoint: WebAddress = ""
    """The collector, such as ``http://collector:4318``. Empty: no traces."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """The share of requests that are traced."""
    join_callers: bool = False
    """Continue the trace that a request's ``traceparent`` header names. Set it only if a proxy of yours sets that
    header."""


class KafkaSettings(Settings):
    """How to connect to the brokers of ``bus: kafka://…``, and how ``parley topics create`` creates topics."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """The encryption and login that the brokers' listener expects. ``SSL`` and ``SASL_SSL`` encrypt; the ``SASL`` ones
    log in with ``username`` and ``password``."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    """The login mechanism, which must be enabled on the brokers. It has no effect without ``username``."""
    username: str = ""
    """The user to log in as, or with ``OAUTHBEARER`` the client's id. It needs a ``SASL`` protocol. Empty: no login."""
    password: SecretStr = SecretStr("")
    """The password, or with ``OAUTHBEARER`` the client's secret. Set it together with ``username``."""
    token_url: WebAddress = ""
    """The endpoint of the identity provider that issues access tokens (client credentials grant). Required for
    ``OAUTHBEARER``."""
    token_scope: str = ""
    """The scope to ask for at ``token_url``. Empty: none."""
    ca_file: str = ""
    """The certificate authority (PEM) of the brokers, if it is not a public one."""
    cert_file: str = ""
    """The client certificate (PEM), if the brokers require one."""
    key_file: str = ""
    """The private key (PEM) that belongs to ``cert_file``."""
    replication_factor: int = Field(default=0, ge=0, le=15)
    """Copies of each partition. 0: three, or as many as there are brokers."""
    min_insync_replicas: int = Field(default=0, ge=0, le=15)
    """Copies of a record that must be written before a write counts as done. 0: two if there are at least three copies,
    else one."""

    @model_validator(mode="after")
    def _check(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL") != bool(self.username):
            raise ValueError("username and password go with security_protocol SASL_SSL or SASL_PLAINTEXT only")
        if bool(self.username) != bool(self.password.get_secret_value()):
            raise ValueError("username and password go together")
        if (self.sasl_mechanism == "OAUTHBEARER") != bool(self.token_url):
            raise ValueError("token_url goes with sasl_mechanism OAUTHBEARER")
        if self.token_scope and not self.token_url:
            raise ValueError("token_scope needs token_url")
        if not self.security_protocol.endswith("SSL") and (self.ca_file or self.cert_file or self.key_file):
            raise ValueError("ca_file, cert_file and key_file need security_protocol SSL or SASL_SSL")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")
        if self.min_insync_replicas > (self.replication_factor or 3):
            raise ValueError("min_insync_replicas cannot be more than replication_factor")
        return self


class _Servers(Settings):
    """The first part of the configuration: the addresses of Parley and of its stores. The sections of the state engines
    follow it."""

    listen: ListenAddress = "127.0.0.1:8080"
    """The host and port at which Parley listens."""
    admin_listen: OptionalListenAddress = ""
    """The host and port of the admin API, the console and the metrics, which then are not served at ``listen``. Empty:
    everything is at ``listen``."""
    public_url: WebAddress = ""
    """The address at which vendors and browsers reach this installation."""
    trusted_proxies: list[Network] = []
    """Networks of the reverse proxies in front of the edge, such as ``10.0.0.0/8``. Only these may state a client's
    address. Without them, the client's address is that of the connection."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which the proxies name the client. The other header is ignored, because clients could set it."""
    data_dir: str = Field(default=".parley", min_length=1)
    """The folder for local data, relative to the configuration file."""
    bus: Annotated[str, AfterValidator(_check_bus)] = "sqlite"
    """The event log: ``sqlite``, or ``kafka://host:port[,host:port]``."""
    state: Annotated[str, AfterValidator(check_address)] = Field(
        default="sqlite", description=f"The state store: {describe_addresses()}."
    )
    blobs: Annotated[str, AfterValidator(_check_blobs)] = "file"
    """The store for attachments: ``file`` (in ``data_dir``), or ``s3://bucket/prefix``."""
    encoder: str = Field(default="auto", min_length=1)
    """The encoder of the vector search: ``light`` word vectors; a folder with a sentence encoder (``model.onnx``,
    ``tokenizer.json``, ``encoder.json``); or ``auto``, the downloaded sentence encoder if there is one, else ``light``.
    """
    kafka: KafkaSettings = KafkaSettings()
    """The connection to Kafka, and the replication of topics. It has no effect with ``bus: sqlite``."""


if TYPE_CHECKING:

    class _WithSections(_Servers):
        pass
else:
    _WithSections = create_model(
        "_WithSections",
        __base__=_Servers,
        **{
            name: (model, Field(default=model(), description="The login and encryption for the server of ``state``."))
            for name, model in load_sections().items()
        },
    )


class Config(_WithSections):
    """The configuration of an installation."""

    telemetry: TelemetrySettings = TelemetrySettings()
    """The export of traces."""
    topic_prefix: Annotated[str, AfterValidator(_check_prefix)] = ""
    """A prefix for the names of topics and keys, so that several installations can share servers."""
    partitions: int = Field(default=24, ge=1, le=1000)
    """Partitions of each topic. They cannot be changed while an installation is in use."""
    channel_partitions: dict[str, Annotated[int, Field(ge=1, le=1000)]] = {}
    """Partitions of the topics of single channels, instead of ``partitions``. ``parley topics expand`` raises their
    number while every process is stopped."""
    secret_key: Keys = Field(default_factory=KeyRing)
    """The secret that signs visitors' tokens and links, at least 32 bytes. Embedded mode generates one if it is empty.
    """
    encrypt_log: bool = True
    """Whether what contacts say is encrypted on the log, under a key of each contact. Both kinds of records are read in
    either case, so `false` is for the first part of an upgrade, while releases still run that cannot read them."""
    encrypt_state: bool = True
    """Whether what is said by and to contacts is encrypted in the state store, under the key of each contact, and their
    names and addresses with it. Both kinds of rows are read in either case, so `false` is for the first part of an
    upgrade, like that of ``encrypt_log``."""
    encrypt_files: bool = True
    """Whether files of contacts and their names are encrypted in `blobs`, under the key of each contact. Both kinds of
    files are read in either case, so `false` is for the first part of an upgrade, like that of ``encrypt_log``."""
    admin_token: Keys = Field(default_factory=KeyRing)
    """The token of the admin API and the console, at least 32 bytes. Embedded mode generates one if it is empty."""
    stall_seconds: float = Field(default=10.0, ge=0.5, le=300)
    """A record whose handling blocks the process for this many seconds counts as suspect. The second time it becomes a
    dead letter."""
    operators: dict[Slug, OperatorSettings] = {}
    """People who sign in to the console with a name and a password. The admin token opens the console too."""
    console: ConsoleSettings = ConsoleSettings()
    """Sessions of the console, and how people sign in to it."""
    models: dict[str, ModelEntry] = {"local": ModelEntry()}
    """The registry of models, by name."""
    transcribers: dict[str, TranscriberEntry] = {}
    """The registry of transcribers, by a name of your choice."""
    dev_model: Annotated[str, AfterValidator(check_dev_model)] = ""
    """The model with which `parley dev` answers for tenants without ``model``: ``PROVIDER``, such as ``openai`` or
    ``ollama``, whose key is in the environment or whose server runs on this machine; ``PROVIDER:MODEL``, such as
    ``anthropic:claude-opus-5-5``; or ``local``. If it is empty, ``local`` answers, and `parley dev` says which others
    it has found. `parley run` ignores it."""
    tenants: dict[Slug, Tenant] = Field(min_length=1)
    """The organizations that this installation serves, by a short name of your choice."""
    _folder: Path = PrivateAttr(default=Path())

    @property
    def folder(self) -> Path:
        """The folder of the configuration file. Relative paths start there."""
        return self._folder

    def with_folder(self, folder: Path) -> Config:
        """Return a copy whose configuration file is in ``folder``."""
        copy = self.model_copy()
        copy._folder = folder
        return copy

    @property
    def embedded(self) -> bool:
        return self.bus == "sqlite" and self.state == "sqlite"

    @property
    def state_settings(self) -> Any:
        """The section of the configured state engine; None if it has none."""
        return getattr(self, find_engine(self.state).name, None)

    @property
    def servers(self) -> str:
        """The servers of a scaled installation, for messages."""
        return f"Kafka and {find_engine(self.state).title}"

    @property
    def desks(self) -> dict[str, str]:
        """The kind of desk of each tenant that has one."""
        return {name: tenant.desk.kind for name, tenant in self.tenants.items() if tenant.desk is not None}

    @property
    def host(self) -> str:
        return split_address(self.listen)[0]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each address at which an instance listens, the public one first."""
        return [split_address(each) for each in (self.listen, self.admin_listen) if each]

    @property
    def port(self) -> int:
        return split_address(self.listen)[1]

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def local_url(self) -> str:
        """The address at which commands on this machine reach the running instance."""
        return build_local_url(self.listen)

    @property
    def console_url(self) -> str:
        """The address at which people open the console, without a slash at the end; empty if it is not configured."""
        return (self.console.url or self.public_url).rstrip("/")

    @property
    def local_admin_url(self) -> str:
        """The address at which commands on this machine reach the admin API of the running instance."""
        return build_local_url(self.admin_listen or self.listen)
