"""The page of an archive: who was there, and every moment of interest with a picture and the video at that time.

One HTML file that needs no network: pictures are in it, and the videos are those that lie on the disk.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import cv2

from maskinfer import __version__
from maskinfer.control.archive.count import Archive, By, Clock, PeopleRow
from maskinfer.control.archive.moments import Box, Moment
from maskinfer.control.archive.sheet import clock_words, time_words
from maskinfer.control.report import words
from maskinfer.control.report.charts import HEIGHT, WIDTH, draw_bars
from maskinfer.control.report.page import templates
from maskinfer.control.report.report import Counted, LabelShare
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.run import local_now

if TYPE_CHECKING:
    from jinja2 import Environment

THUMBNAIL_WH = (320, 180)
AROUND_S = 2.0
_QUALITY = 80
_HOURS_UP_TO_S = 48 * 3600.0
_MINUTES_UP_TO_S = 90 * 60.0


@dataclass(frozen=True, slots=True)
class ShownMoment:
    """A moment on the page.

    Attributes:
        moment: what was found.
        picture: uint8 (height, width, 3), BGR; None for none.
        video: of the moment; None if it is not there.
        boxes: where the face is: times in seconds, and boxes in pixels.
    """

    moment: Moment
    picture: BGRFrame | None
    video: Path | None
    boxes: Sequence[tuple[float, Box]]


@dataclass(frozen=True, slots=True)
class _Summary:
    people: int
    labels: tuple[LabelShare, ...]
    unknown: int


def unit_of(seconds: float) -> By:
    """Return by what the people of so long a time are counted."""
    return "minute" if seconds <= _MINUTES_UP_TO_S else "hour" if seconds <= _HOURS_UP_TO_S else "day"


def archive_html(
    archive: Archive,
    total: PeopleRow,
    counted: dict[By, list[PeopleRow]],
    moments: Iterable[ShownMoment],
    page_folder: Path,
    *,
    left_out: int = 0,
) -> str:
    """Return the text of a whole page.

    Args:
        archive: what it holds.
        total: all people.
        counted: by time first, then by camera, by file, or by whatever else is to be shown.
        moments: in order.
        page_folder: where the page will be, for the way to the videos.
        left_out: how many moments there are besides.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    unit, *others = counted
    bars = [_counted(row) for row in counted[unit]]
    shown = [_values(number, one, page_folder) for number, one in enumerate(moments)]
    return _environment().get_template("archive.html").render(
        archive=archive,
        summary=_Summary(total.total, total.shares, total.unknown),
        unit=unit,
        chart=draw_bars(bars, words.same),
        chart_size=(int(WIDTH), int(HEIGHT)),
        rows={name: [_counted(row) for row in counted[name]] for name in (unit, *others)},
        moments=shown,
        labels=list(dict.fromkeys(one["label"] for one in shown)),
        names=list(dict.fromkeys(one["name"] for one in shown)),
        clips={one["number"]: one["clip"] for one in shown if one["clip"]},
        left_out=left_out,
        length=words.length_words(archive.seconds),
        period=_period(archive.clock),
        words=words,
        made_at=local_now(),
        version=__version__,
    )  # fmt: skip


def _period(clock: Clock) -> str:
    return "by the clock on the wall" if clock == "wall" else "times count from the beginning of each video"


def _counted(row: PeopleRow) -> Counted:
    return Counted(", ".join(row.keys.values()), row.people, row.violations)


def _values(number: int, shown: ShownMoment, folder: Path) -> dict[str, object]:
    moment = shown.moment
    clip = None if shown.video is None else {
        "src": quote(os.path.relpath(shown.video.resolve(), folder.resolve())),
        "from": max(0.0, round(moment.from_s - AROUND_S, 2)),
        "at": round(moment.from_s, 2),
        "to": round(moment.to_s + AROUND_S, 2),
        "size": moment.size_wh,
        "boxes": [[round(at_s, 2), *(round(v) for v in box)] for at_s, box in shown.boxes],
    }  # fmt: skip
    return {
        "number": number,
        "name": moment.name,
        "camera": moment.camera,
        "label": moment.label,
        "label_words": words.label_words(moment.label, moment.bare),
        "time": time_words(moment),
        "clock": clock_words(moment.from_s),
        "length": words.length_words(max(1, moment.to_s - moment.from_s)),
        "picture": None if shown.picture is None else _data_url(shown.picture),
        "clip": clip,
    }


def _data_url(picture: BGRFrame) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _environment() -> Environment:
    """Return the templates of this folder, and those of reports, which they are made of."""
    from jinja2 import ChoiceLoader, PackageLoader

    environment = templates("table")
    environment.loader = ChoiceLoader([PackageLoader(__package__), PackageLoader("maskinfer.control.report")])
    return environment
