"""The Parquet tables of an archive as one database that is only read, by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from maskinfer.engine.errors import MissingExtraError, RequestError, SourceError, SourceNotFoundError
from maskinfer.engine.files.urls import as_text
from maskinfer.engine.tables.columns import EXTRA, FACES, SUFFIX, TABLES, schema_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def table_files(places: Sequence[Path], table: str = FACES) -> list[Path]:
    """Return the files of a table below folders, those of videos that were stopped left out."""
    return sorted(
        file
        for place in places
        for file in (place.rglob(f"*.{table}{SUFFIX}") if place.is_dir() else ())
        if file.is_file() and not file.name.startswith(".")
    )


def name_of(file: Path, places: Sequence[Path], table: str = FACES) -> str:
    """Return which video a file of a table is of."""
    place = next(place for place in places if file.is_relative_to(place))
    return as_text(file.relative_to(place)).removesuffix(f".{table}{SUFFIX}")


def faces_of(database: duckdb.DuckDBPyConnection, name: str, sql: str, values: Sequence[object]) -> pa.Table:
    """Return the answer to a question about the faces of one video, for which the files of no other are opened.

    Args:
        database: from ``open_tables``.
        name: of the video.
        sql: one SELECT from ``faces``.
        values: of its parameters.

    Raises:
        SourceError: the tables cannot be read.
    """
    files = ask(database, "SELECT path FROM face_files WHERE name = ?", [name])["path"].to_pylist()
    return ask(database, f"WITH faces AS (SELECT * FROM read_parquet(?)) {sql}", [files, *values])


@contextmanager
def open_tables(places: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database with the tables ``faces``, ``visits``, ``spans`` and ``files`` of an archive.

    It reads the files of the archive and no other, writes none, and loads nothing from the network.

    Args:
        places: folders that ``maskinfer video --parquet`` or ``maskinfer tables`` wrote to.

    Raises:
        SourceNotFoundError: there are no tables. SourceError: one of them cannot be read.
        MissingExtraError: duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("duckdb", EXTRA) from error
    found = {table: [str(file.absolute()) for file in table_files(places, table)] for table in TABLES}
    faces = [(name_of(file, places), str(file.absolute())) for file in table_files(places, FACES)]
    if not all(found.values()):
        where = ", ".join(map(str, places))
        raise SourceNotFoundError(
            f"there are no tables in {where}: expected a folder of maskinfer video --parquet FOLDER"
        )
    with duckdb.connect() as database:
        # Nor does a name in a query mean a variable of this program.
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "python_enable_replacements"):
            database.execute(f"SET {setting} = false")
        try:
            for table, files in found.items():
                database.read_parquet(files, union_by_name=True).create_view(table)
        except duckdb.Error as error:
            raise SourceError(f"the tables cannot be read: {_line(error)}") from error
        database.execute("CREATE TEMP TABLE face_files (name VARCHAR, path VARCHAR)")
        database.executemany("INSERT INTO face_files VALUES (?, ?)", faces)
        database.execute("SET allowed_paths = ?", [[file for files in found.values() for file in files]])
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        yield database


def ask(database: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> pa.Table:
    """Return the answer to a question.

    Args:
        database: from ``open_tables``.
        sql: one SELECT, in DuckDB's SQL.
        values: of its parameters.

    Raises:
        RequestError: it is no SELECT, or there is a mistake in it.
        SourceError: the tables cannot be read.
    """
    import duckdb

    try:
        kinds = [statement.type for statement in database.extract_statements(sql)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise RequestError("the query has to be one SELECT: tables are only read")
        return database.sql(sql, params=list(values)).to_arrow_table()
    except duckdb.IOException as error:
        raise SourceError(f"the tables cannot be read: {_line(error)}") from error
    except duckdb.Error as error:
        is_name = isinstance(error, (duckdb.BinderException, duckdb.CatalogException))
        known = f"; the tables are {_tables()}" if is_name else ""
        raise RequestError(f"the query cannot be answered: {_line(error)}{known}") from error


def _line(error: Exception) -> str:
    """Return what DuckDB says, without its drawing of where."""
    return " ".join(str(error).split("\n\nLINE", 1)[0].split())


def _tables() -> str:
    return "; ".join(f"{table} ({', '.join(schema_of(table).names)})" for table in TABLES)
