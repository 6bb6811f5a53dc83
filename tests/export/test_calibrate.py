"""A classifier that says how often it errs, and what asks it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

import maskinfer
from maskinfer.engine.contract import ClassifierContract, SecondLook
from maskinfer.engine.errors import ModelNotFoundError, RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.results import LABELS, BGRFrame
from maskinfer.engine.sinks.events import DEFAULT_MIN_SCORE, EventOptions, events_for
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run

pytest.importorskip("onnx")

from maskinfer.export.calibrate import calibrate

COLOUR = "colour (version 1)"


def figures(file: Path, pairs: Sequence[tuple[float, float]], of: str = COLOUR) -> Path:
    rows = [{"max_error": error, "value": value} for error, value in pairs]
    file.write_text(json.dumps({"all": {"setup": {"classifier": of}, "confidence": {"thresholds": rows}}}))
    return file


@pytest.fixture
def calibrated(colour_classifier: Path, portrait: BGRFrame, tmp_path: Path) -> tuple[Path, float]:
    """A classifier that states scores for 2 % from just over what it says of the portrait, for 10 % from just under."""
    score = maskinfer.load(classifier=str(colour_classifier))(portrait).faces[0].score
    pairs = [(0.02, score + 0.01), (0.1, score - 0.01)]
    calibrate(str(colour_classifier), figures(tmp_path / "dev.json", pairs), tmp_path / "calibrated.onnx")
    return tmp_path / "calibrated.onnx", score


def test_the_error_rate_decides(calibrated: tuple[Path, float], portrait: BGRFrame) -> None:
    file, score = calibrated
    for max_error, sure in ((None, True), (0.1, True), (0.5, True), (0.02, False), (0.05, False)):
        (face,) = maskinfer.load(classifier=str(file), max_error=max_error)(portrait).faces
        assert (face.label != "uncertain") == sure, max_error
        assert face.score == score
    with pytest.raises(RequestError, match=r"is 0.01, but .* states scores for 0.02, 0.1 only"):
        maskinfer.load(classifier=str(file), max_error=0.01)
    with pytest.raises(RequestError, match="give one of them"):
        maskinfer.load(classifier=str(file), max_error=0.02, uncertain_below=0.5)


def test_the_commands_take_it(
    calibrated: tuple[Path, float], colour_classifier: Path, portrait: BGRFrame, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "portrait.png"), portrait)
    asked = ("image", tmp_path / "portrait.png", "--max-error", "0.02", "--classifier")
    assert "uncertain 1" in run(*asked, calibrated[0]).stdout
    check_error(run(*asked, colour_classifier), 2, "file says how often it errs, and colour does not")


def test_events_need_a_higher_score_of_a_classifier_that_errs_more() -> None:
    def said(*pairs: tuple[float, float], **options: float) -> EventOptions:
        return events_for(
            ClassifierContract("x", "1", "MIT", LABELS, (16, 16), error_thresholds=pairs), EventOptions(**options)
        )  # type: ignore[arg-type]

    assert said((0.02, 0.99), (0.05, 0.93)).min_score == 0.93
    assert said((0.05, 0.6)).min_score == said((0.1, 0.95)).min_score == said().min_score == DEFAULT_MIN_SCORE
    assert said((0.05, 0.93), min_score=0.5).min_score == 0.5
    assert said((0.05, 0.93), hold_s=3.0) == EventOptions(min_score=0.93, hold_s=3.0)


def test_what_cannot_be_written_into_it(colour_classifier: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    for file, expected in (
        (figures(tmp_path / "of.json", [(0.02, 0.9)], of="another (version 1)"), "holds the figures of another"),
        (figures(tmp_path / "no.json", []), "holds no score from which on errors are rare"),
        (tmp_path / "none.json", "holds no figures"),
    ):
        with pytest.raises(RequestError, match=expected):
            calibrate(str(colour_classifier), file, out)
    good = figures(tmp_path / "good.json", [(0.02, 0.9)])
    with pytest.raises(RequestError, match="would be overwritten"):
        calibrate(str(colour_classifier), good, colour_classifier)
    with pytest.raises(ModelNotFoundError, match="no classifier 'retinaface'"):
        calibrate("retinaface", good, out)
    assert not out.exists()


def test_a_second_look_is_written_and_taken(
    colour_classifier: Path, calibrated: tuple[Path, float], portrait: BGRFrame, tmp_path: Path
) -> None:
    out = tmp_path / "again.onnx"
    said = run("calibrate", calibrated[0], out, "--second-look", "0.999", "0.4")
    assert said.returncode == 0, said.stderr
    assert "looks again at faces under 0.999, with a margin of 0.4" in said.stdout
    contract = load_classifier(str(out)).contract
    assert contract.second_look == SecondLook(0.999, 0.4)
    # What was measured of one look says nothing of three.
    assert load_classifier(str(calibrated[0])).contract.error_thresholds
    assert contract.error_thresholds == ()
    once, again = (maskinfer.load(classifier=str(file))(portrait).faces[0] for file in (colour_classifier, out))
    assert once.scores != again.scores
    kept = tmp_path / "kept.onnx"
    calibrate(str(out), figures(tmp_path / "of.json", [(0.02, 0.9)]), kept)
    assert load_classifier(str(kept)).contract.second_look == SecondLook(0.999, 0.4)


def test_a_second_look_that_cannot_be(colour_classifier: Path, tmp_path: Path) -> None:
    for given in (("1.5", "0.2"), ("0.8", "-1"), ("0.8",), ("nan", "0.2"), ("0.8", "inf")):
        check_error(run("calibrate", colour_classifier, tmp_path / "out.onnx", "--second-look", *given), 2, "")
    assert not (tmp_path / "out.onnx").exists()
