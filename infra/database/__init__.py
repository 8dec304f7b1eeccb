"""The one SQLite file of embedded mode, shared by the log and the state."""

from infra.database.database import Database
from infra.database.file import DatabaseFailed, database_file

__all__ = ["Database", "DatabaseFailed", "database_file"]
