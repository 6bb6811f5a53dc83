"""A comparison as one HTML page that needs nothing else: no network, no other file. Needs jinja2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from maskinfer import __version__
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.engine.frames.draw import colour_of
from maskinfer.training.evaluation.compare.run import AtPlace, Versus
from maskinfer.training.evaluation.compare.verdict import LEAST_FACES, judge
from maskinfer.training.evaluation.matching import TrueFace
from maskinfer.training.evaluation.mistakes import MISSED_BGR, Mistake
from maskinfer.training.evaluation.report.gallery import Card, card_of

SHOWN = 40


def write_page(found: Sequence[Versus], file: Path, max_loss: float) -> None:
    """Write the page; the pictures of what was won and lost are read once more for it.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more. OutputError: the file cannot be written.
    """
    every = [(versus, judge(versus, max_loss), [(place, _sheet(place)) for place in versus.places]) for versus in found]
    loaders = [PackageLoader(__package__), PackageLoader("maskinfer.training.evaluation.report")]
    environment = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("comparison.html").render(
        every=every, max_loss=max_loss, least_faces=LEAST_FACES, version=__version__
    )
    with atomic_write(file, shows_people=True) as partial:
        partial.write_text(text, encoding="utf-8")


def _sheet(place: AtPlace) -> dict[str, tuple[int, list[Card]]]:
    return {
        "won": (len(place.won), [_card(place, pair) for pair in place.won[:SHOWN]]),
        "lost": (len(place.lost), [_card(place, pair) for pair in place.lost[:SHOWN]]),
    }


def _card(place: AtPlace, pair: tuple[TrueFace, TrueFace]) -> Card:
    old, new = pair
    seen = new.found or old.found
    box = old.xyxy if seen is None else seen.xyxy
    colour = MISSED_BGR if seen is None else colour_of(old.label)
    notes = (f"old: {_said(old)}", f"new: {_said(new)}")
    return card_of(Mistake(place.old.outcome.scenes[old.scene].path, box, colour, None, old.label, notes))


def _said(face: TrueFace) -> str:
    return "not found" if face.found is None else f"{face.found.label} {100 * face.found.score:.0f} %"
