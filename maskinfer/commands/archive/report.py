"""The report of an archive: from tables, in every form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskinfer.engine.errors import RequestError, SourceNotFoundError, printable

if TYPE_CHECKING:
    import duckdb

    from maskinfer.control.archive.count import Archive, By, PeopleRow, Where
    from maskinfer.control.archive.moments import Box, Moment
    from maskinfer.control.archive.page import ShownMoment

MOST_MOMENTS = 300
_TIMES = ("minute", "hour", "day", "week")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of an archive.

    Attributes:
        by: what each row is of.
        labels: of the moments; empty for those that are a violation.
        videos: folder of the videos, or of annotated copies; None for no pictures.
        blur: make the faces in pictures unrecognizable.
        camera, from_at, to_at: which visits.
    """

    by: tuple[By, ...]
    labels: tuple[str, ...]
    videos: Path | None
    blur: bool
    camera: str | None
    from_at: datetime | None
    to_at: datetime | None


def report_tables(places: Sequence[Path], asked: Asked, form: str | None, sheet: Path | None) -> list[str]:
    """Show or make the report of an archive, and return the lines of a file if one was asked for.

    Raises:
        RequestError: something cannot be asked. SourceError: the tables cannot be read.
    """
    from maskinfer.console.archive import show_people
    from maskinfer.control.archive.count import Where, count_people, describe_archive
    from maskinfer.control.archive.tables import open_tables

    if form == "png":
        raise RequestError("tables have no --png: ask for --html or --sheet")
    if asked.videos is not None and not asked.videos.is_dir():
        raise SourceNotFoundError(f"{asked.videos} is no folder: expected that of the videos or of annotated copies")
    with open_tables(places) as database:
        archive = describe_archive(database)
        where = Where(asked.camera, asked.from_at, asked.to_at)
        _check(archive, where)
        if sheet is not None:
            _make_sheets(database, asked, where, sheet)
            return []
        if form == "html":
            return [_page(database, archive, asked, where)]
        total, *_ = [*count_people(database, (), where, archive.clock), _nobody()]
        by = asked.by or ("file",)
        rows = count_people(database, by, where, archive.clock)
        if form == "csv":
            return list(_csv(by, rows, total))
        if form == "json":
            return [json.dumps(_plain(archive, by, rows, total), ensure_ascii=False, indent=2)]
        show_people(archive, total, by, rows)
    return []


def _check(archive: Archive, where: Where) -> None:
    if where.camera is not None and where.camera not in archive.cameras:
        raise RequestError(f"nothing is known of camera {where.camera!r}: expected one of {', '.join(archive.cameras)}")
    if archive.clock == "recording" and (where.from_at or where.to_at):
        raise RequestError("it is not known when these videos were taken, so there is no day or time to ask for")


def _nobody() -> PeopleRow:
    from maskinfer.control.archive.count import PeopleRow

    return PeopleRow({}, {}, 0)


def _csv(by: Sequence[By], rows: Iterable[PeopleRow], total: PeopleRow) -> Iterator[str]:
    from maskinfer.engine.sinks.table import csv_row

    labels = [share.label for share in total.shares]
    shares = [f"{label}_{what}" for label in labels for what in ("share", "low", "high")]
    yield csv_row((*by, "people", *labels, *shares, "uncertain", "violations"))
    for row in rows:
        known = {share.label: share for share in row.shares}
        found = [known.get(label) for label in labels]
        counts = [0 if share is None else share.people for share in found]
        limits = [
            "" if share is None or row.total == row.unknown else round(getattr(share, what), 4)
            for share in found
            for what in ("share", "low", "high")
        ]
        yield csv_row((*row.keys.values(), row.total, *counts, *limits, row.unknown, row.violations))


def _plain(archive: Archive, by: Sequence[By], rows: Iterable[PeopleRow], total: PeopleRow) -> dict[str, object]:
    return {
        "archive": {
            "videos": archive.videos,
            "seconds": round(archive.seconds, 3),
            "frames": archive.frames,
            "faces": archive.faces,
            "clock": archive.clock,
            "cameras": list(archive.cameras),
        },
        "by": list(by),
        "total": _row(total),
        "rows": [_row(row) for row in rows],
    }


def _row(row: PeopleRow) -> dict[str, object]:
    is_known = row.total > row.unknown
    return {
        **row.keys,
        "people": row.total,
        "labels": [
            {
                "label": share.label,
                "people": share.people,
                "share": round(share.share, 6) if is_known else None,
                "interval": [round(share.low, 6), round(share.high, 6)] if is_known else None,
            }
            for share in row.shares
        ],
        "unknown": row.unknown,
        "violations": row.violations,
    }


def _page(database: duckdb.DuckDBPyConnection, archive: Archive, asked: Asked, where: Where) -> str:
    from maskinfer.control.archive.count import count_people
    from maskinfer.control.archive.page import archive_html, unit_of

    context = click.get_current_context()
    longest = archive.seconds if archive.clock == "wall" else archive.seconds / max(1, archive.videos)
    unit = next((one for one in asked.by if one in _TIMES), unit_of(longest))
    total, *_ = [*count_people(database, (), where, archive.clock), _nobody()]
    others = [one for one in (*asked.by, "camera", "file") if one not in _TIMES]
    by: list[By] = list(dict.fromkeys([unit, *others]))
    counted = {one: count_people(database, (one,), where, archive.clock) for one in by}
    moments, left_out = _moments(database, asked, where, MOST_MOMENTS)
    problems: list[str] = []
    shown = _shown(database, moments, asked, problems)
    out = context.params.get("out")
    folder = Path() if out is None else Path(out).parent
    page = archive_html(archive, total, counted, shown, folder, left_out=left_out)
    _tell(problems)
    return page.rstrip("\n")


def _moments(
    database: duckdb.DuckDBPyConnection, asked: Asked, where: Where, most: int | None
) -> tuple[list[Moment], int]:
    from maskinfer.control.archive.moments import VIOLATIONS, find_moments

    found = find_moments(database, asked.labels or VIOLATIONS, where)
    if most is None or len(found) <= most:
        return found, 0
    kept = find_moments(database, asked.labels or VIOLATIONS, where, most)
    return kept, len(found) - len(kept)


def _shown(
    database: duckdb.DuckDBPyConnection, moments: Sequence[Moment], asked: Asked, problems: list[str]
) -> Iterator[ShownMoment]:
    from maskinfer.control.archive.moments import boxes_of
    from maskinfer.control.archive.page import THUMBNAIL_WH, ShownMoment
    from maskinfer.control.archive.pictures import moment_pictures, video_of

    if asked.videos is None:
        yield from (ShownMoment(moment, None, None, ()) for moment in moments)
        return
    for moment, picture in moment_pictures(
        moments, asked.videos, THUMBNAIL_WH, problems, hidden=_hidden(database, asked)
    ):
        # A clear video behind a blurred picture would hide nobody.
        video = None if asked.blur else video_of(moment, asked.videos)
        yield ShownMoment(moment, picture, video, boxes_of(database, moment) if video is not None else ())


def _hidden(database: duckdb.DuckDBPyConnection, asked: Asked) -> Callable[[Moment], Sequence[Box]]:
    from maskinfer.control.archive.moments import faces_near

    return lambda moment: faces_near(database, moment) if asked.blur else ()


def _make_sheets(database: duckdb.DuckDBPyConnection, asked: Asked, where: Where, sheet: Path) -> None:
    from maskinfer.control.archive.pictures import moment_pictures
    from maskinfer.control.archive.sheet import TILE_WH, draw_sheets
    from maskinfer.engine.files.atomic import numbered
    from maskinfer.engine.files.images import write_image

    if asked.videos is None:
        raise RequestError("a contact sheet needs the videos: add --videos FOLDER")
    moments, _ = _moments(database, asked, where, None)
    if not moments:
        raise RequestError("there are no such moments, so there is nothing to put on a sheet")
    problems: list[str] = []
    pictures = moment_pictures(moments, asked.videos, TILE_WH, problems, hidden=_hidden(database, asked))
    written = []
    for path, picture in zip(numbered(sheet), draw_sheets(pictures), strict=False):
        write_image(path, picture)
        written.append(path)
    for path in written:
        click.echo(printable(f"contact sheet: {path}"), err=True)
    _tell(problems)


def _tell(problems: Sequence[str]) -> None:
    for problem in problems:
        click.echo(printable(f"Warning: {problem}"), err=True)
