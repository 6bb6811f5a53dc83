"""The commands that make tables of results, and ask them anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.commands.groups.outputs import EventRules, event_rules
from maskinfer.commands.options import PATH, Command, Output
from maskinfer.engine.errors import RequestError, printable

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = (".csv", ".json", ".parquet")


@click.command(cls=Command, short_help="Ask the tables of an archive, in SQL.")
@click.argument("sql", metavar="SELECT")
@click.argument("places", type=PATH, nargs=-1, metavar="[FOLDER...]")
@click.option(
    "-o", "--out", type=Output("file"), metavar="FILE", help="Write the answer to a .csv, .json or .parquet file."
)
def query(sql: str, places: tuple[Path, ...], out: Path | None) -> None:
    """Ask the tables of an archive anything, in DuckDB's SQL.

    FOLDER is where `video --parquet` or `tables` wrote, by default tables. Its tables are faces, visits, spans and
    files; they are only read. Needs maskinfer[table].

    \b
    Examples:
      maskinfer query "select label, count(*) from visits group by label" tables/
      maskinfer query "select name, from_s from spans where label = 'without_mask'" tables/ -o moments.csv
    """
    from maskinfer.control.archive.tables import ask, open_tables

    if out is not None and out.suffix.lower() not in _SUFFIXES:
        raise RequestError(f"{out} has an unknown suffix: expected {', '.join(_SUFFIXES)}")
    with open_tables(places or (Path("tables"),)) as database:
        answer = ask(database, sql)
    if out is None:
        from maskinfer.console.archive import show_answer

        show_answer(answer)
    else:
        _write(answer, out)


def _write(answer: pa.Table, out: Path) -> None:
    import json

    from maskinfer.engine.files.atomic import atomic_write
    from maskinfer.engine.sinks.table import csv_row

    with atomic_write(out, shows_people=True) as part:
        if out.suffix.lower() == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(answer, part)
            return
        rows = answer.to_pylist()
        with part.open("w", encoding="utf-8", newline="\n") as file:
            if out.suffix.lower() == ".json":
                json.dump(rows, file, ensure_ascii=False, indent=1, default=str)
                file.write("\n")
                return
            file.write(csv_row(tuple(answer.column_names)) + "\n")
            file.writelines(csv_row(tuple("" if v is None else v for v in row.values())) + "\n" for row in rows)


@click.command(cls=Command, short_help="Make tables of recorded results.")
@click.argument("places", type=PATH, nargs=-1, required=True, metavar="RESULTS...")
@click.option("-o", "--out", type=Output("folder"), required=True, metavar="FOLDER", help="Folder for the tables.")
@event_rules
def tables(places: tuple[Path, ...], out: Path, rules: EventRules) -> None:
    """Make tables of results that were recorded as JSON Lines, without running a model.

    RESULTS are files that `video --jsonl` or `stream --jsonl` wrote, or folders of them. The rules say when a label
    counts, so that an archive can be looked at again by other rules. Needs maskinfer[table].

    \b
    Examples:
      maskinfer tables results/ -o tables/
      maskinfer tables results/ -o strict/ --event-min-score 0.9 --event-hold 1
    """
    from maskinfer.console.progress import progress_bar
    from maskinfer.control.report.recorded import named_results
    from maskinfer.engine.tables.columns import need_pyarrow
    from maskinfer.engine.tables.convert import convert_results

    need_pyarrow()
    files = named_results(places, lambda line: click.echo(printable(line), err=True))
    with progress_bar("results", "files") as progress:
        count, problems = convert_results(files, out, rules.read(), progress)
    click.echo(f"{count} videos and other sources are in the tables of {printable(str(out))}", err=True)
    for problem in problems:
        click.echo(printable(f"Error: {problem}"), err=True)
    click.get_current_context().exit(1 if problems else 0)
