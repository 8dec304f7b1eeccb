"""The closed list of failures. Channels and adapters raise these; one place for each kind of work decides what follows.

::

    ParleyError                      code, http status, retryable, fix
    ├── RequestError                 a caller's fault: 4xx, never retried by us
    │   ├── InvalidRequest           400 invalid_request
    │   ├── Unauthorized             401 unauthorized (also a wrong signature)
    │   ├── Forbidden                403 forbidden
    │   ├── NotFound                 404 not_found
    │   ├── IdReused                 409 id_reused
    │   ├── StaleEpoch               409 stale_epoch
    │   ├── Conflict                 409 conflict
    │   ├── TooLarge                 413 too_large
    │   │   └── StorageFull          the tenant has stored as much as it may
    │   ├── DocumentTooLarge         413 document_too_large
    │   ├── UnsupportedMediaType     415 unsupported_media_type
    │   └── Unprocessable            422 unprocessable
    ├── TemporaryRefusal             the caller may try again: carries retry_after_ms
    │   ├── RateLimited              429 rate_limited
    │   └── Unavailable              503 unavailable
    │       ├── BusUnavailable       the log cannot be reached or cannot be written
    │       ├── StateUnavailable     the state store cannot be reached
    │       └── StateLost            the state store answers, but has lost or rolled back what it held
    ├── RecordError                  a record on the bus that cannot be used: dead-lettered at once
    │   ├── UndecodableRecord        headers or payload are not what the wire format says
    │   └── UnknownEventType         a type or schema version this release does not know
    ├── HandlingError                work on a good record failed
    │   ├── Fenced                   a newer holder exists (token, version or epoch moved): drop the work
    │   ├── ModelFailed              the model gave no usable answer (retryable)
    │   ├── Parked                   set the conversation's records aside until a time
    │   ├── SuspectRecords           one of several may have stalled or killed a process: handle them one by one
    │   ├── ProcessStalled           a record that stalled its process twice
    │   ├── ProcessCrashed           a record whose process twice died of a fatal signal
    │   └── MemoryExhausted          a record that twice used up the memory
    ├── DeliveryError                a channel did not accept a message
    │   ├── SendRefused              the vendor refuses the message for good
    │   ├── RetryLater              the vendor asks to wait (rate limit, outage); carries retry_after_ms
    │   ├── SendUnknown              no answer: it may have been delivered
    │   └── CredentialsRevoked       the account's token no longer works
    └── SetupError                   the operator's fault: printed with its fix, exit code 2
        ├── ConfigInvalid            file:line, what is wrong, did-you-mean
        ├── DatabaseLocked           a second process on the same SQLite file
        ├── PortInUse                the listen address is taken
        ├── TopicMismatch            a topic is missing or has another partition count
        ├── SchemaMismatch           stored data has another schema version than this program
        └── MissingDependency        an extra is not installed
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class ParleyError(Exception):
    """A failure with a code. ``message`` is safe to show to a client; ``fix`` tells an operator what to do."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, fix: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.retry_after_ms = retry_after_ms

    def body(self) -> dict[str, object]:
        """The error object of an HTTP response, without its ``{"error": …}`` wrapper."""
        out: dict[str, object] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.retry_after_ms is not None:
            out["retry_after_ms"] = self.retry_after_ms
        return out


class RequestError(ParleyError):
    """The caller must change the request before sending it again."""

    status = 400


class InvalidRequest(RequestError):
    """The request is malformed, or a field has a value that is not allowed."""

    code = "invalid_request"


class Unauthorized(RequestError):
    """A token or signature is missing, wrong or expired."""

    code = "unauthorized"
    status = 401


class Forbidden(RequestError):
    """The token is valid, but does not allow this."""

    code = "forbidden"
    status = 403


class NotFound(RequestError):
    """There is no such tenant, account, conversation, document or route."""

    code = "not_found"
    status = 404


class IdReused(RequestError):
    """The id has already been used for different content."""

    code = "id_reused"
    status = 409


class StaleEpoch(RequestError):
    """The owner has changed. ``owner`` and ``epoch`` are the current ones."""

    code = "stale_epoch"
    status = 409

    def __init__(self, message: str, *, owner: str, epoch: int) -> None:
        super().__init__(message)
        self.owner = owner
        self.epoch = epoch


class Conflict(RequestError):
    """The change contradicts the current state, such as a decision that was already made."""

    code = "conflict"
    status = 409


class TooLarge(RequestError):
    """The body, the message or the file is larger than allowed."""

    code = "too_large"
    status = 413


class StorageFull(TooLarge):
    """Deleting files or a higher quota makes room; a smaller file may fit."""


class DocumentTooLarge(RequestError):
    """The document has more text than a record of the log may contain."""

    code = "document_too_large"
    status = 413


class UnsupportedMediaType(RequestError):
    """This route does not accept the content type."""

    code = "unsupported_media_type"
    status = 415


class Unprocessable(RequestError):
    """The content is well-formed, but cannot be used: an encrypted PDF, a file of another format."""

    code = "unprocessable"
    status = 422


class TemporaryRefusal(ParleyError):
    """The same request may succeed later; ``retry_after_ms`` is always set."""

    retryable = True
    status = 503

    def __init__(self, message: str, *, fix: str = "", retry_after_ms: int = 1000) -> None:
        super().__init__(message, fix=fix, retry_after_ms=retry_after_ms)


class RateLimited(TemporaryRefusal):
    """The visitor, the address or the account has sent too much."""

    code = "rate_limited"
    status = 429


class Unavailable(TemporaryRefusal):
    """A part that the request needs is down or still starting."""

    code = "unavailable"
    status = 503


class BusUnavailable(Unavailable):
    """It is unknown whether the records were written; appending them again is safe, because ids repeat."""


class StateUnavailable(Unavailable):
    """It is unknown whether the transition happened; every transition may be repeated with the same arguments."""


class StateLost(Unavailable):
    """``shards`` are the shard numbers (0–255) whose state must be rebuilt before work on them may go on."""

    def __init__(self, message: str, *, shards: frozenset[int]) -> None:
        super().__init__(message, retry_after_ms=2000)
        self.shards = shards


class RecordError(ParleyError):
    """The record can never be used as it is."""


class UndecodableRecord(RecordError):
    """Headers or payload do not follow the wire format."""

    code = "undecodable_record"


class UnknownEventType(RecordError):
    """This release does not know the type or schema version."""

    code = "unknown_event_type"


class HandlingError(ParleyError):
    """Work on a valid record failed."""


class Fenced(HandlingError):
    """Another process has taken over the conversation, so the work is discarded."""

    code = "fenced"


class ModelFailed(HandlingError):
    """The model gave no usable answer."""

    code = "model_failed"
    retryable = True


class Parked(HandlingError):
    """Raised by a lane handler to set the conversation's records aside until ``until`` (UTC)."""

    code = "parked"
    retryable = True

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class SuspectRecords(HandlingError):
    """One of several records may have stalled or killed a process, so each is handled alone."""

    code = "suspect_records"


class ProcessStalled(HandlingError):
    """Handling the record blocked the process for longer than ``stall_seconds``, twice."""

    code = "process_stalled"


class ProcessCrashed(HandlingError):
    """Handling the record twice ended the process with a fatal signal."""

    code = "process_crashed"


class MemoryExhausted(HandlingError):
    """Handling the record twice used up the memory."""

    code = "memory_exhausted"


class HandlerFailed(HandlingError):
    """A handler kept failing with an error that is not on this list."""

    code = "handler_failed"


class DeliveryError(ParleyError):
    """A channel did not accept a message."""


class SendRefused(DeliveryError):
    """The vendor refuses the message permanently."""

    code = "send_refused"


class RetryLater(DeliveryError):
    """The call had no effect, and may be repeated later. ``of_account``: the vendor accepts nothing from this account
    until then, not only not this message."""

    code = "send_delayed"
    retryable = True

    def __init__(self, message: str, *, retry_after_ms: int | None = None, of_account: bool = False) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.of_account = of_account


class SendUnknown(DeliveryError):
    """The message may or may not have been sent. ``slow``: no answer arrived in time, so the vendor may still be
    working on it. ``denied``: the vendor says that it sent nothing, which a later report may contradict."""

    code = "send_unknown"

    def __init__(
        self, message: str, *, retry_after_ms: int | None = None, slow: bool = False, denied: bool = False
    ) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.slow = slow
        self.denied = denied


class CredentialsRevoked(DeliveryError):
    """The account's token no longer works."""

    code = "credentials_revoked"


class SetupError(ParleyError):
    """The operator must change the installation. Printed without a stack trace; exit code 2."""

    code = "setup"


class ConfigInvalid(SetupError):
    """The configuration has errors. The message gives file, line and column of each."""

    code = "config_invalid"


class DatabaseLocked(SetupError):
    """Another process uses the same SQLite file."""

    code = "database_locked"


class PortInUse(SetupError):
    """Another program listens at the address."""

    code = "port_in_use"


class TopicMismatch(SetupError):
    """A topic is missing, or the number of its partitions differs from the configuration."""

    code = "topic_mismatch"


class SchemaMismatch(SetupError):
    """Nothing was read or written: the data is newer than the program, or must be migrated first."""

    code = "schema_mismatch"


class MissingDependency(SetupError):
    """An optional library is not installed."""

    code = "missing_dependency"
