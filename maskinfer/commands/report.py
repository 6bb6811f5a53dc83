"""The command that reports what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.commands.options import PATH, Command, Output, refuse
from maskinfer.engine.errors import RequestError, printable
from maskinfer.engine.files.places import refuse_media, refuse_overwriting

if TYPE_CHECKING:
    from maskinfer.control.archive.count import By
    from maskinfer.control.report.recorded import Clock, Recorded
    from maskinfer.control.store.questions import VisitQuery
    from maskinfer.control.store.store import Store


@click.command(cls=Command, short_help="Report who came with a mask, and who without.")
@click.argument("places", type=PATH, nargs=-1, metavar="[FOLDER | RESULTS...]")
@click.option("--day", metavar="DAY", help="today, yesterday or a date such as 2026-11-25.")
@click.option("--from", "from_", metavar="TIME", help="Start of the period: 2026-11-25 or 2026-11-25T08:00.")
@click.option("--to", metavar="TIME", help="End of the period; a date means the end of that day.")
@click.option("--camera", metavar="NAME", help="This camera alone.")
@click.option("--zone", metavar="NAME", help="This zone alone.")
@click.option("--csv", "form", flag_value="csv", help="A table of the visits, one row each.")
@click.option("--html", "form", flag_value="html", help="A page with charts and pictures, which prints well.")
@click.option("--json", "form", flag_value="json", help="The report for other programs.")
@click.option("--png", "form", flag_value="png", help="A picture with totals and chart; needs -o.")
@click.option("-o", "--out", type=Output("file"), metavar="FILE", help="Write to a file instead of standard output.")
@click.option(
    "--by", type=click.Choice(["minute", "hour", "day", "week", "file", "camera"]), multiple=True,
    help="Of tables: what each row is of; repeat it for combinations. By default file.",
)  # fmt: skip
@click.option(
    "--videos", type=PATH, metavar="FOLDER",
    help="Of tables: where the videos or annotated copies lie, for pictures and for playing the moments.",
)  # fmt: skip
@click.option(
    "--sheet", type=Output("file"), metavar="FILE",
    help="Of tables: write a contact sheet of the violations, with their times (.jpg or .png).",
)  # fmt: skip
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL",
    help="Of tables: moments with this label instead of the violations; may be repeated.",
)  # fmt: skip
@click.option("--blur-faces", is_flag=True, help="Of tables: make the faces in pictures unrecognizable.")
@click.option("--began", metavar="TIME", help="When recorded results began, if their files do not say.")
def report(
    places: tuple[Path, ...],
    day: str | None,
    from_: str | None,
    to: str | None,
    camera: str | None,
    zone: str | None,
    form: str | None,
    out: Path | None,
    by: tuple[By, ...],
    videos: Path | None,
    sheet: Path | None,
    labels: tuple[str, ...],
    blur_faces: bool,
    began: str | None,
) -> None:
    """Report what happened: people by label, hour and zone, violations, and what was not watched.

    FOLDER is where `maskinfer serve` keeps what happens, watch-data if it is left out; it may be running. A report is
    of today unless a period is named. RESULTS are JSON Lines files that `video --jsonl` or `stream --jsonl` wrote, or
    folders of them, or folders of tables that `video --parquet` or `tables` wrote; their report is of everything in
    them. --html of tables is a page that shows the violations and plays them.

    \b
    Examples:
      maskinfer report
      maskinfer report watch-data --day yesterday --html -o yesterday.html
      maskinfer report watch-data --day yesterday --png -o yesterday.png
      maskinfer report watch-data --from 2026-11-01 --to 2026-11-30 --camera door --csv -o november.csv
      maskinfer report results.jsonl --began 2026-11-25T08:00
      maskinfer report tables/ --by day --by camera --csv -o days.csv
      maskinfer report tables/ --videos archive/ --html -o archive.html
      maskinfer report tables/ --videos archive/ --sheet violations.jpg --label without_mask
    """
    from maskinfer.control.report.period import read_period
    from maskinfer.control.store.database import NAME
    from maskinfer.control.store.questions import VisitQuery
    from maskinfer.engine.files.places import refuse_overwriting
    from maskinfer.engine.sinks.run import local_now

    places = places or (Path("watch-data"),)
    if _are_tables(places):
        refuse(("zone", "began"), "tables know no zones, and have their times")
        if form == "png":
            raise RequestError("--png draws what came before cameras; the picture of tables is --sheet")
        if sheet is not None:
            refuse(("form", "out", "by"), "--sheet is what is written")
        if sheet is None and form != "html":
            refuse(("videos", "labels", "blur_faces"), "pictures come with --html and --sheet alone")
    else:
        refuse(("by", "videos", "sheet", "labels", "blur_faces"), "it is for the tables of an archive")
    _check_form(form, out)
    if out is not None:
        refuse_media([out] if form != "png" else [])
        refuse_overwriting([out], [*places, *(place / NAME for place in places)])
    now = local_now()
    if _are_tables(places):
        from maskinfer.commands.archive.report import Asked, report_tables

        asked = Asked(by, labels, videos, blur_faces, camera, *read_period(day, from_, to, now=now))
        lines = report_tables(places, asked, form, sheet)
        if lines:
            _put(lines, out)
        return
    with _opened(places, began, out) as (store, recorded):
        if recorded is None and day is from_ is to is None:
            day = "today"
        begin, end = read_period(day, from_, to, now=now)
        if recorded is not None:
            begin, end = begin or recorded.from_at, end or recorded.to_at
        clock = "wall" if recorded is None else recorded.clock
        _check_name("camera", camera, store.cameras())
        _check_name("zone", zone, store.zones())
        # Times since the begin of a recording stand for times since midnight in Greenwich.
        time_zone = UTC if clock == "recording" else None
        where = VisitQuery(from_at=begin, to_at=end, camera=camera, zone=zone, time_zone=time_zone)
        _write(store, where, clock, form, out)


def _are_tables(places: tuple[Path, ...]) -> bool:
    from maskinfer.engine.tables.columns import FILES, SUFFIX

    return any(place.is_dir() and next(place.rglob(f"*.{FILES}{SUFFIX}"), None) is not None for place in places)


def _check_form(form: str | None, out: Path | None) -> None:
    from maskinfer.engine.files.places import refuse_media

    if out is not None and form is None:
        raise RequestError("-o needs to know what to write: add --html, --csv, --json or --png")
    if form == "png" and (out is None or out.suffix.lower() != ".png"):
        raise RequestError("--png needs a file to write to whose name ends in .png: add -o report.png")
    if out is not None and form != "png":
        refuse_media([out])


def _check_name(what: str, name: str | None, known: list[str]) -> None:
    if name is not None and name not in known:
        there = f"expected one of {', '.join(known)}" if known else f"there is no {what}"
        raise RequestError(f"nothing is known of {what} {name!r}: {there}")


@contextmanager
def _opened(places: tuple[Path, ...], began: str | None, out: Path | None) -> Iterator[tuple[Store, Recorded | None]]:
    """Give the store, and what it was made of if that are recorded results."""
    from maskinfer.control.report.period import read_period
    from maskinfer.control.report.recorded import open_recorded, result_files
    from maskinfer.control.store.database import NAME
    from maskinfer.control.store.store import Store
    from maskinfer.engine.sinks.run import local_now

    stores = [place for place in places if (place / NAME).is_file()]
    if stores:
        if len(places) > 1:
            raise RequestError(f"{stores[0]} holds a store, and a report is of one store or of results alone")
        if began is not None:
            raise RequestError("--began is for recorded results; a store knows its times")
        with Store.open(stores[0], readonly=True) as store:
            yield store, None
        return

    def say(line: str) -> None:
        click.echo(printable(line), err=True)

    start, _ = read_period(from_=began, now=local_now())
    files = result_files(places)
    refuse_overwriting([] if out is None else [out], files)
    with open_recorded(files, began=start) as recorded:
        yield recorded.store, recorded


def _write(store: Store, where: VisitQuery, clock: Clock, form: str | None, out: Path | None) -> None:
    import json

    from maskinfer.control.report.page import embed_pictures, report_html
    from maskinfer.control.report.report import make_report
    from maskinfer.control.report.table import visit_rows
    from maskinfer.control.report.to_json import report_dict

    if form == "csv":
        _put(visit_rows(store, where), out)
        return
    made = make_report(store, where, clock=clock)
    if form == "html":
        _put([report_html(made, embed_pictures(store)).rstrip("\n")], out)
    elif form == "png" and out is not None:
        from maskinfer.control.report.picture import report_png
        from maskinfer.engine.files.atomic import atomic_write

        data = report_png(made)
        with atomic_write(out, shows_people=True) as part:
            part.write_bytes(data)
    elif form == "json":
        _put([json.dumps(report_dict(made), ensure_ascii=False, indent=2)], out)
    else:
        from maskinfer.console.report import show_report

        show_report(made)


def _put(lines: Iterable[str], out: Path | None) -> None:
    """Write lines to a file that only its owner may read, or to standard output."""
    from maskinfer.engine.files.atomic import atomic_write

    if out is None:
        for line in lines:
            click.echo(line)
        return
    with atomic_write(out, shows_people=True) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
