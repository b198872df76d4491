"""The rows of many hosts as Parquet, for DuckDB, pandas, Spark: three files in a folder, whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fwaudit.errors import UsageError
from fwaudit.host.fleet.find import HINT
from fwaudit.host.fleet.store import FINDING, HOST, NUMBERS, PORT, TRUTHS
from fwaudit.model.fleet import HostRow

_ROWS = 5_000
_TABLES = {"hosts": HOST[:-1], "ports": ("host", "source", *PORT), "findings": ("host", "source", *FINDING)}


class Files:
    """Hosts on their way to ``hosts.parquet``, ``ports.parquet`` and ``findings.parquet``."""

    def __init__(self, folder: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow, self.folder = pyarrow, folder
        self._schemas = {name: pyarrow.schema([(column, self._type(column)) for column in columns])
                         for name, columns in _TABLES.items()}
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
        self._writers = {name: pyarrow.parquet.ParquetWriter(str(self._unfinished(name)), schema, compression="zstd")
                         for name, schema in self._schemas.items()}

    def _type(self, column: str) -> Any:
        if column in TRUTHS:
            return self._arrow.bool_()
        return self._arrow.int64() if column in NUMBERS else self._arrow.string()

    def _unfinished(self, name: str) -> Path:
        return self.folder / f".{name}.parquet.unfinished"

    def add(self, row: HostRow) -> None:
        """Write a host down, by and by."""
        owner = {"host": row.host, "source": row.source}
        self._rows["hosts"].append(_fields(row, HOST[:-1]))
        self._rows["ports"] += ({**owner, **_fields(port, PORT)} for port in row.ports)
        self._rows["findings"] += ({**owner, **_fields(finding, FINDING)} for finding in row.findings)
        for name, rows in self._rows.items():
            if len(rows) >= _ROWS:
                self._write(name)

    def _write(self, name: str) -> None:
        rows = self._rows[name]
        self._writers[name].write_table(self._arrow.Table.from_pylist(rows, self._schemas[name]))
        rows.clear()

    def finish(self) -> None:
        """All three files in their places."""
        for name, writer in self._writers.items():
            if self._rows[name]:
                self._write(name)
            writer.close()
        for name in _TABLES:
            self._unfinished(name).chmod(0o600)
            self._unfinished(name).replace(self.folder / f"{name}.parquet")

    def give_up(self) -> None:
        """Leave what was there before."""
        for name, writer in self._writers.items():
            with suppress(Exception):
                writer.close()
            self._unfinished(name).unlink(missing_ok=True)


def _fields(row: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for name in names for value in (getattr(row, name),)}


@contextmanager
def written(folder: Path | None) -> Iterator[Files | None]:
    """The files in ``folder``, which is made where it is not there; None: none. Raises UsageError without pyarrow, or
    where nothing can be written."""
    if folder is None:
        yield None
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = Files(folder)
    except ImportError:
        raise UsageError("--parquet needs pyarrow", HINT) from None
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}", "Give another folder.") from error
    try:
        yield files
        files.finish()
    except BaseException:
        files.give_up()
        raise
