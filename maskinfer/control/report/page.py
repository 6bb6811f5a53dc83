"""A report as one HTML page that needs nothing else: no network, no other file, no script. Needs jinja2."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from maskinfer import __version__
from maskinfer.control.report import words
from maskinfer.control.report.charts import CHART_WH, draw_bars
from maskinfer.control.report.colours import css
from maskinfer.control.report.report import Report
from maskinfer.control.store.questions import StoredPicture, StoredVisit
from maskinfer.control.store.store import Store
from maskinfer.engine.errors import MissingExtraError

if TYPE_CHECKING:
    from jinja2 import Environment

PictureUrl = Callable[[StoredPicture], str | None]
"""Where the file of a picture is, for the page; None if it is not to be shown or gone."""


def report_html(report: Report, picture_url: PictureUrl) -> str:
    """Return the text of a whole page.

    Args:
        report: what to show.
        picture_url: called for each picture of a violation.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    return templates().get_template("report.html").render(**report_values(report, picture_url), version=__version__)


def report_values(report: Report, picture_url: PictureUrl) -> dict[str, object]:
    """Return what the macros of ``templates/parts.html`` need, for this page and for others that show a report."""
    return {
        "report": report,
        "chart": draw_bars(report.by_time, words.row_names(report), words.short_row_names(report)),
        "chart_size": CHART_WH,
        "pictures": {stored.visit.id: url for stored in report.shown if (url := _best_url(stored, picture_url))},
        "words": words,
        "colours": css(),
    }


def _best_url(stored: StoredVisit, picture_url: PictureUrl) -> str | None:
    """Return the picture that shows what was wrong, or else any."""
    wrong = {violation.label for violation in stored.visit.violations}
    for picture in sorted(stored.pictures, key=lambda picture: picture.label not in wrong):
        if url := picture_url(picture):
            return url
    return None


def embed_pictures(store: Store) -> PictureUrl:
    """Return what puts the pictures themselves into the page."""

    def embed(picture: StoredPicture) -> str | None:
        path = store.picture(picture.id)
        try:
            data = path.read_bytes() if path else None
        except OSError:  # retention may take it at any time
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else None

    return embed


def templates(extra: str = "serve") -> Environment:
    """Return the templates of this folder; whatever they show is escaped, and a name that is not there is an error.

    Args:
        extra: that brings jinja2 for what is asked for.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", extra) from error
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
