"""An evaluation as one HTML page that needs nothing else: no network, no other file. Needs jinja2 and matplotlib."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from maskinfer import __version__
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.data.head_pose import ASIDE_DEG, NODDING_DEG, TILTED_DEG
from maskinfer.training.evaluation.plots import to_svgs
from maskinfer.training.evaluation.report.gallery import galleries
from maskinfer.training.evaluation.report.tables import FEW_FACES, confusion_of, fates_of
from maskinfer.training.evaluation.run import Evaluation
from maskinfer.training.evaluation.slices import BLURRED_UNDER, DARK_UNDER

_LIMITS = {
    "dark_under": DARK_UNDER,
    "blurred_under": BLURRED_UNDER,
    "aside_deg": ASIDE_DEG,
    "nodding_deg": NODDING_DEG,
    "tilted_deg": TILTED_DEG,
}


def write_report(evaluation: Evaluation, file: Path) -> None:
    """Write the report; the pictures of the worst mistakes are read once more for it.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
        OutputError: the file cannot be written.
    """
    text = report_html(evaluation)
    with atomic_write(file, shows_people=True) as partial:
        partial.write_text(text, encoding="utf-8")


def report_html(evaluation: Evaluation) -> str:
    """Return the page's text; see ``write_report``."""
    sets = {name: confusion_of(figures.score) for name, figures in evaluation.sets.items()}
    return (
        _templates()
        .get_template("evaluation.html")
        .render(
            evaluation=evaluation,
            svgs=to_svgs(evaluation),
            fates=fates_of(evaluation.all.score),
            confusions={"All": confusion_of(evaluation.all.score), "sets": sets},
            galleries=list(galleries(evaluation)),
            data=evaluation.setup.data.resolve().name,
            few_faces=FEW_FACES,
            limits=_LIMITS,
            version=__version__,
        )
    )


def _templates() -> Environment:
    """Return the templates of this folder; whatever they show is escaped, and a name that is not there is an error."""
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
