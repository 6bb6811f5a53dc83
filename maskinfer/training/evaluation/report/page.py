"""An evaluation as one HTML page that needs nothing else: no network, no other file. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from maskinfer import __version__
from maskinfer.engine.files.atomic import atomic_write
from maskinfer.training.evaluation.confidence import Confidence
from maskinfer.training.evaluation.detector import DetectorFigures
from maskinfer.training.evaluation.plots import to_svgs
from maskinfer.training.evaluation.report.gallery import galleries
from maskinfer.training.evaluation.report.method import method
from maskinfer.training.evaluation.report.tables import confusion_table, fate_bars, figures_table, number, percent
from maskinfer.training.evaluation.run import Evaluation, Setup

Svgs = Mapping[str, str]


def write_report(evaluation: Evaluation, file: Path) -> None:
    """Write the report; the pictures of the worst mistakes are read once more for it.

    Raises:
        SourceNotFoundError, SourceError: a picture cannot be read any more.
        OutputError: the file cannot be written.
    """
    text = report_html(evaluation)
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")


def report_html(evaluation: Evaluation) -> str:
    """Return the page's text; see ``write_report``."""
    svgs = to_svgs(evaluation)
    sections = (
        ("labels", "By label", _labels(evaluation)),
        ("confusion", "Which label is taken for which", _confusion(evaluation)),
        ("sizes", "By size", _plot(svgs, "sizes") + figures_table(evaluation.sizes)),
        ("slices", "Slices", figures_table(evaluation.slices) if evaluation.slices else ""),
        ("finding", "Finding faces", _finding(evaluation.detector, svgs)),
        ("knowing", "Knowing when it does not know", _knowing(evaluation.confidence, svgs)),
        ("mistakes", "The worst mistakes", galleries(evaluation)),
        ("method", "How this was measured", method(evaluation.setup)),
    )
    shown = [(anchor, title, html) for anchor, title, html in sections if html]
    page = Template(
        (files("maskinfer.training.evaluation.report") / "templates/evaluation.html").read_text(encoding="utf-8")
    )
    return page.substitute(
        title=f"How often {escape(evaluation.setup.classifier)} is right",
        subtitle=_subtitle(evaluation),
        navigation="".join(f'<a href="#{anchor}">{title}</a>' for anchor, title, _ in shown),
        body=_headline(evaluation) + "".join(f'<h2 id="{a}">{title}</h2>{html}' for a, title, html in shown),
    )


def _subtitle(evaluation: Evaluation) -> str:
    setup: Setup = evaluation.setup
    kind = "scenes in which every face is annotated" if setup.of_scenes else "pictures of one face each"
    faces = sum(evaluation.all.score.faces.values())
    facts = [
        f"{len(evaluation.outcome.scenes)} {kind}, {faces} faces",
        f"data: {escape(setup.data.resolve().name)}",
        f"faces found by {escape(setup.detector)}",
        f"maskinfer {__version__}",
    ]
    return " &middot; ".join(facts)


def _headline(evaluation: Evaluation) -> str:
    figures, detector = evaluation.all, evaluation.detector
    tiles = [
        ("found and labelled right", percent(figures.correct2), "mean of with mask and without mask"),
        ("the same, all three labels", percent(figures.correct3), "a rare label weighs as much as a frequent one"),
        ("faces found", percent(detector.recall), "of all annotated faces, whatever their label"),
    ]
    if figures.false_positives is not None:
        tiles.append(("false positives per image", number(figures.false_positives), "boxes where no face is annotated"))
    shown = "".join(
        f'<div class="tile"><span>{what}</span><b>{value}</b><small>{note}</small></div>' for what, value, note in tiles
    )
    intro = (
        "<p>Beside each figure stands its 95 % interval. Had other pictures of the same kind been taken, the figure "
        "would differ; intervals made in this way hold the true one 95 times in 100.</p>"
    )
    return f'<div class="tiles">{shown}</div>{intro}<h3>What becomes of each face</h3>{fate_bars(figures.score)}'


def _labels(evaluation: Evaluation) -> str:
    sets = evaluation.sets if len(evaluation.sets) > 1 else {}
    return (
        "<p>A face counts as <em>found</em> when a detected box overlaps it well enough, and as <em>right</em> when "
        "its label is the true one besides. The bars run from 0 to 100 %; their pale part is the interval. Pale rows "
        "rest on fewer than 30 faces.</p>" + figures_table({"All": evaluation.all, **sets})
    )


def _confusion(evaluation: Evaluation) -> str:
    tables = confusion_table("All", evaluation.all.score)
    if len(evaluation.sets) > 1:
        parts = "".join(confusion_table(name, figures.score) for name, figures in evaluation.sets.items())
        tables += f"<details><summary>For each data set</summary>{parts}</details>"
    return (
        "<p>Shares are of the faces found. Green is right; the stronger a red, the more often it happens.</p>" + tables
    )


def _plot(svgs: Svgs, name: str) -> str:
    return f'<div class="card">{svgs[name]}</div>' if name in svgs else ""


def _finding(detector: DetectorFigures, svgs: Svgs) -> str:
    masked, bare = percent(detector.masked), percent(detector.bare)
    text = f"<p>Masked faces found: <b>{masked}</b>. Bare faces found: <b>{bare}</b>.</p>"
    if detector.difference.of:
        low, high = 100 * detector.difference.low, 100 * detector.difference.high
        which = "fewer" if detector.difference.value < 0 else "more"
        sure = "" if low > 0 or high < 0 else "; the interval holds 0, so there may be no difference"
        text += (
            f"<p>In a hundred, {100 * abs(detector.difference.value):.1f} {which} masked faces are found than bare "
            f"ones (95 % interval {low:+.1f} to {high:+.1f}{sure}).</p>"
        )
    if detector.near_misses:
        text += (
            f"<p>{detector.near_misses} of the missed faces are overlapped by a false positive, though too little to "
            "count: seen, it seems, but boxed otherwise than annotated. See the pictures below.</p>"
        )
    if detector.curve is not None:
        text += (
            "<p>A lower score threshold finds more faces and takes more for faces that are none. The curves show what "
            "every threshold would do; the diamond is where this evaluation stands.</p>"
        )
    return text + _plot(svgs, "detector")


def _knowing(found: Confidence | None, svgs: Svgs) -> str:
    if found is None:
        return ""
    plots = f'<div class="pair">{_plot(svgs, "reliability")}{_plot(svgs, "risk_coverage")}</div>'
    return _calibration_text(found) + _threshold_text(found) + plots


def _calibration_text(found: Confidence) -> str:
    gap = found.calibration_error
    verdict = "as far as so few faces can tell, the probabilities are true"
    if gap > 1.5 * found.calibration_error_by_chance:
        verdict = "the classifier is too modest" if found.temperature < 1 else "the classifier is too sure of itself"
    text = (
        "<p>Of the labels given with 90 % probability, 90 % should be right. The mean gap (expected calibration error, "
        f"15 bins of equal numbers) is <b>{100 * gap:.1f} points</b>; with true probabilities it would be about "
        f"{100 * found.calibration_error_by_chance:.1f} by chance on these {found.faces} faces: {verdict}. A "
        f"temperature of <b>{found.temperature:.2f}</b> fits best; fitted on one half of the images and judged on the "
        f"other, the gap becomes {100 * found.calibration_error_scaled:.1f} points, and the mean negative "
        f"log-likelihood goes from {found.likelihood:.3f} to {found.likelihood_scaled:.3f}.</p>"
    )
    if found.foreign:
        text += (
            f"<p>{found.foreign} faces have a true label that this classifier cannot give; each counts as wrong.</p>"
        )
    return text


def _threshold_text(found: Confidence) -> str:
    asked = f"{100 * found.max_error:g} %"
    if found.threshold is None:
        return (
            f'<div class="card good">No threshold can be vouched for at which at most {asked} of the labels are wrong: '
            "too many errors at high probabilities, or too few faces.</div>"
        )
    chosen = found.threshold
    text = (
        f"<b>For at most {asked} wrong labels, give none under a probability of {chosen.value:.3f}.</b> Then "
        f"{100 * chosen.coverage:.1f} % of the found faces get a label, {100 * chosen.error:.2f} % of these were wrong "
        f"here, and with 95 % confidence at most {100 * chosen.error_bound:.2f} % truly are, on faces like these."
    )
    if found.threshold_scaled is not None:
        scaled = f"At temperature {found.temperature:.2f} the threshold is {found.threshold_scaled.value:.3f}."
        text += f" <small>{scaled}</small>"
    return f'<div class="card good">{text}</div>'
