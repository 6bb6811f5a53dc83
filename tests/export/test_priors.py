"""An exported classifier is told how often each label occurs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from maskinfer.engine.catalog.find import find_model
from maskinfer.engine.errors import RequestError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.export.calibrate import calibrate
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run

PRIORS = {"with_mask": 0.8, "without_mask": 0.15, "incorrect_mask": 0.05}


@pytest.mark.parametrize("name", ["mobilenetv2-128", "mobilenetv2-128-int8", "mobilenetv2-small-112-int8"])
def test_probabilities_follow_bayes_rule(name: str, tmp_path: Path) -> None:
    old = load_classifier(name)
    summary = calibrate(name, None, tmp_path / "moved.onnx", priors=PRIORS)
    assert "priors with_mask 0.8, without_mask 0.15" in str(summary)
    new = load_classifier(str(tmp_path / "moved.onnx"))
    assert new.contract.priors == PRIORS
    assert old.contract.error_thresholds
    assert not new.contract.error_thresholds
    side = old.contract.size_wh[0]
    crops = np.random.default_rng(3).integers(0, 256, (16, side, side, 3), dtype=np.uint8)
    before, after = old.look(crops), new.look(crops)
    ratios = np.array([PRIORS[label] / old.contract.priors[label] for label in old.contract.labels])
    expected = before.probabilities * ratios
    # int8 graphs round their logits to steps of about a tenth.
    tolerance = 0.03 if "int8" in name else 1e-3
    np.testing.assert_allclose(after.probabilities, expected / expected.sum(1, keepdims=True), atol=tolerance)
    if before.face is not None:
        np.testing.assert_array_equal(after.face, before.face)


def test_what_is_no_share_of_each_label(tmp_path: Path, colour_classifier: Path) -> None:
    out = tmp_path / "out.onnx"
    for shares in ({"with_mask": 1.0}, {**PRIORS, "with_mask": 0.0}):
        with pytest.raises(RequestError, match="expected a share over 0 of each of with_mask"):
            calibrate("mobilenetv2-128", None, out, priors=shares)
    with pytest.raises(RequestError, match="does not say which priors it has"):
        calibrate(str(colour_classifier), None, out, priors=PRIORS)
    file = find_model("mobilenetv2-128", "classifier")
    check_error(run("calibrate", file, out, "--prior", "with_mask=0.5"), 2, "expected a share over 0 of each")
    assert not out.exists()
