"""The shop's database, made and filled when it is not there. Money is in cents."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

from .seed import statements

_TABLES = """
CREATE TABLE customers (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE);
CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL);
CREATE TABLE orders (
    number TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL,
    delivery_day TEXT NOT NULL, discount INTEGER NOT NULL DEFAULT 0, voucher TEXT NOT NULL DEFAULT '',
    payment_link TEXT NOT NULL DEFAULT ''
);
CREATE TABLE items (number TEXT NOT NULL REFERENCES orders, sku TEXT NOT NULL, quantity INTEGER, price INTEGER);
CREATE TABLE refunds (number TEXT NOT NULL REFERENCES orders, amount INTEGER NOT NULL CHECK (amount > 0), reason TEXT);
CREATE TABLE appointments (day TEXT, hour INTEGER, kind TEXT, customer TEXT, PRIMARY KEY (day, hour));
CREATE TABLE effects (key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL);
"""


def opened(path: Path, today: date) -> sqlite3.Connection:
    """Autocommit: who writes begins the transaction. To be used in the thread that opened it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'orders'").fetchone():
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        for sql, values in statements(today):
            connection.execute(sql, values)
    connection.execute("COMMIT")
    return connection
