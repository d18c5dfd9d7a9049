"""The index of a history: what its result files say, as tables that SQLite or a server's database holds. It can be made again from the files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import NewerSchema, PerfkitError, UsageError
from .reading import Confirmation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reading import Result

Row = dict[str, Any]

SCHEMA_VERSION = 1
#: A writer waits so long for its turn.
BUSY_S = 60.0

_META = sa.MetaData()
_ABOUT = sa.Table("perfkit_about", _META, sa.Column("schema_version", sa.Integer, primary_key=True))
_RESULTS = sa.Table(
    "perfkit_results",
    _META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("measured", sa.String(40), nullable=False),
    sa.Column("commit_id", sa.String(80)),
    sa.Column("commit_time", sa.String(40)),
    sa.Column("branch", sa.Text),
    sa.Column("changed", sa.Boolean, nullable=False),
    sa.Column("machine", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("software", sa.Text, nullable=False),
)
_RESULT = "perfkit_results.id"
_VALUES = sa.Table(
    "perfkit_values",
    _META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("result", sa.Integer, sa.ForeignKey(_RESULT), nullable=False, index=True),
    sa.Column("benchmark", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("base", sa.String(80), nullable=False),
    sa.Column("log", sa.Double, nullable=False),
)
_CONFIRMATIONS = sa.Table(
    "perfkit_confirmations",
    _META,
    sa.Column("result", sa.Integer, sa.ForeignKey(_RESULT), primary_key=True),
    sa.Column("benchmark", sa.Text, nullable=False),
    sa.Column("machine", sa.String(64), nullable=False),
    sa.Column("before", sa.String(80), nullable=False),
    sa.Column("after", sa.String(80), nullable=False),
    sa.Column("slower", sa.Boolean, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("estimate", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("ran_before", sa.String(80), nullable=False),
    sa.Column("ran_after", sa.String(80), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)


class Broken(PerfkitError):  # noqa: N818 - it reads as the fact it states
    """The index of this folder is not one; it can be made again from the files."""


class Index:
    """Tables behind *url*. Methods raise PerfkitError where the database fails, Broken where it is no database (any more)."""

    def __init__(self, url: str) -> None:
        try:
            self._url = sa.make_url(url)
            self._engine = sa.create_engine(self._url)
        except exc.ArgumentError:  # its words may quote a password
            raise UsageError(
                "--store: not the address of a database; write a folder, or dialect://user@host/name"
            ) from None
        except ModuleNotFoundError as error:
            raise UsageError(f"--store {self.told}: its driver {error.name} is not installed") from None
        if self._engine.dialect.name == "sqlite":
            _make_durable(self._engine)

    @property
    def told(self) -> str:
        """The address without its password."""
        return self._url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Make the tables that are not there. Raises NewerSchema for those of a newer perfkit."""
        with self._transaction() as connection:
            if (
                self._engine.dialect.name == "sqlite"
                and (found := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()) != "ok"
            ):
                raise Broken(str(found))
            _META.create_all(connection)
            version = connection.execute(sa.select(_ABOUT.c.schema_version)).scalar_one_or_none()
            if version is None:
                connection.execute(sa.insert(_ABOUT).values(schema_version=SCHEMA_VERSION))
            elif version > SCHEMA_VERSION:
                raise NewerSchema(f"{self.told}: made by a newer perfkit; upgrade: pip install -U perfkit")

    def names(self) -> dict[str, str]:
        """Digest by name of the files that are indexed."""
        with self._transaction() as connection:
            return {row.name: row.digest for row in connection.execute(sa.select(_RESULTS.c.name, _RESULTS.c.digest))}

    def add(self, name: str, digest: str, result: Result) -> bool:
        """Index a result, in one transaction; False where it was there."""
        try:
            with self._transaction() as connection:
                if connection.execute(sa.select(_RESULTS.c.id).where(_RESULTS.c.digest == digest)).first():
                    return False
                made = connection.execute(sa.insert(_RESULTS).values(**_result_row(name, digest, result)))
                number = made.inserted_primary_key[0]  # type: ignore[index]
                if values := [{"result": number, **vars(value)} for value in result.values]:
                    connection.execute(sa.insert(_VALUES), values)
                if result.confirmation is not None:
                    row = _confirmation_row(result.confirmation)
                    connection.execute(sa.insert(_CONFIRMATIONS).values(result=number, **row))
                return True
        except _Twice:
            return False

    def forget(self, names: list[str]) -> None:
        """Drop what is known of files that are no more."""
        with self._transaction() as connection:
            for name in names:
                number = sa.select(_RESULTS.c.id).where(_RESULTS.c.name == name).scalar_subquery()
                for table in (_VALUES, _CONFIRMATIONS):
                    connection.execute(sa.delete(table).where(table.c.result == number))
                connection.execute(sa.delete(_RESULTS).where(_RESULTS.c.name == name))

    def results(self) -> list[Row]:
        """All results: name, digest, measured, commit_id, commit_time, branch, changed, machine, fingerprint, software."""
        with self._transaction() as connection:
            rows = (
                connection.execute(sa.select(_RESULTS).order_by(_RESULTS.c.measured, _RESULTS.c.name)).mappings().all()
            )
        return [
            {
                **row,
                "fingerprint": json.loads(row["fingerprint"]),
                "software": json.loads(row["software"]),
                **_times(row),
            }
            for row in rows
        ]

    def values(self) -> list[Row]:
        """All values: benchmark, kind, base, log, and the id of their result."""
        columns = (_VALUES.c.benchmark, _VALUES.c.kind, _VALUES.c.base, _VALUES.c.log, _VALUES.c.result)
        with self._transaction() as connection:
            return [dict(row) for row in connection.execute(sa.select(*columns).order_by(_VALUES.c.id)).mappings()]

    def confirmations(self) -> list[Confirmation]:
        """All, the oldest first."""
        wanted = sa.select(_CONFIRMATIONS).join(_RESULTS).order_by(_RESULTS.c.measured, _RESULTS.c.id)
        with self._transaction() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [_confirmation(dict(row)) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except exc.IntegrityError as error:
            raise _Twice(str(error.orig)) from None
        except exc.DBAPIError as error:
            # SQLite says "is not a database" and "is malformed" by its general error, and what is merely locked or full by a special one.
            fault = Broken if type(error.orig) is sqlite3.DatabaseError else PerfkitError
            raise fault(f"{self.told}: {error.orig}") from None


class _Twice(PerfkitError):  # noqa: N818
    """Another writer has indexed it in the meantime."""


def _make_durable(engine: sa.Engine) -> None:
    """Of SQLite: readers beside one writer, who waits for its turn and has what it wrote on the disk before it says so."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        with closing(connection.cursor()) as cursor:
            for setting in (f"busy_timeout={int(BUSY_S * 1000)}", "journal_mode=WAL", "synchronous=FULL"):
                cursor.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # At once for writing: a transaction that has read and wants to write later cannot wait, it fails.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _result_row(name: str, digest: str, result: Result) -> Row:
    return {
        "name": name,
        "digest": digest,
        "measured": result.measured.isoformat(),
        "commit_id": result.commit,
        "commit_time": result.commit_time.isoformat() if result.commit_time is not None else None,
        "branch": result.branch,
        "changed": result.changed,
        "machine": result.machine,
        "fingerprint": json.dumps(result.fingerprint),
        "software": json.dumps(result.software),
    }


def _times(row: Any) -> Row:
    return {
        name: datetime.fromisoformat(row[name]) if row[name] is not None else None
        for name in ("measured", "commit_time")
    }


def _confirmation_row(found: Confirmation) -> Row:
    row = dict(vars(found))
    row["ran_before"], row["ran_after"] = row.pop("ran")
    return row


def _confirmation(row: Row) -> Confirmation:
    del row["result"]
    return Confirmation(ran=(row.pop("ran_before"), row.pop("ran_after")), **row)
