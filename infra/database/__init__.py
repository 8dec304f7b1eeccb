"""The one SQLite file of embedded mode, shared by the log and the state."""

from infra.database.database import Database
from infra.database.file import DatabaseFailed

__all__ = ["Database", "DatabaseFailed"]
