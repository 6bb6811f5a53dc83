"""A watch whose settings name a promoted model takes up what the name stands for by then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskinfer.control.settings.types import ModelSettings
from maskinfer.control.watch.models import follow_promotion, models_of, shadow_of
from maskinfer.control.watch.watch import open_engine
from maskinfer.engine.catalog.promoted import promote, rollback
from maskinfer.engine.contract import ClassifierContract, CropRule
from maskinfer.engine.errors import ModelNotFoundError, RequestError
from maskinfer.engine.faces.protocols import ContractClassifier, Look
from maskinfer.engine.results import LABELS, BGRBatch, FloatArray
from tests.helpers.graphs import save_colour_classifier

CONTRACT = ClassifierContract(name="colour", version="1", licence="MIT", labels=LABELS, size_wh=(16, 16))
BLUE = np.full((1, 16, 16, 3), (255, 0, 0), np.uint8)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKINFER_PROMOTED", str(tmp_path / "promoted"))


def test_a_watch_follows_promotion_and_rollback(tmp_path: Path) -> None:
    models, said = ModelSettings(classifier="site"), []
    with pytest.raises(ModelNotFoundError):
        open_engine(models)
    turned = replace(CONTRACT, version="2", labels=LABELS)
    promote(save_colour_classifier(tmp_path / "one.onnx", CONTRACT), "site", "classifier")
    engine = open_engine(models)
    assert engine.classifier(BLUE).argmax() == 0
    follow_promotion(engine, models, said.append)
    assert said == [], "nothing was promoted meanwhile"
    promote(save_colour_classifier(tmp_path / "two.onnx", turned), "site", "classifier")
    follow_promotion(engine, models, said.append)
    assert engine.classifier.contract.version == "2"
    rollback("site")
    follow_promotion(engine, models, said.append)
    assert engine.classifier.contract.version == "1"
    assert [line[: line.index(",")] for line in said] == [
        "the classifier is now colour (version 2",
        "the classifier is now colour (version 1",
    ]


def test_what_looked_several_times_is_told_apart(tmp_path: Path) -> None:
    """What is seen so is not compared with what one look saw; a model that was promoted looks once."""
    promote(save_colour_classifier(tmp_path / "one.onnx", CONTRACT), "site", "classifier")
    names = [
        models_of(open_engine(ModelSettings(classifier=name, preset=preset)))  # type: ignore[arg-type]
        for name in ("auto", "site") for preset in ("accurate", "balanced")
    ]  # fmt: skip
    assert ["several times" in name for name in names] == [True, False, True, False]
    assert [name.endswith(" mirrored") for name in names] == [True, False, False, False]


def test_what_cannot_be_exchanged_waits_for_the_next_start(tmp_path: Path) -> None:
    models, said = ModelSettings(classifier="site"), []
    promote(save_colour_classifier(tmp_path / "one.onnx", CONTRACT), "site", "classifier")
    engine = open_engine(models)
    other = replace(CONTRACT, labels=(LABELS[1], LABELS[0], LABELS[2]))
    promote(save_colour_classifier(tmp_path / "two.onnx", other), "site", "classifier")
    follow_promotion(engine, models, said.append)
    assert said == ["the classifier site has another labels: it takes effect at the next start"]
    assert engine.classifier.contract.labels == LABELS
    for file in (tmp_path / "promoted").glob("*.onnx"):
        file.unlink()
    follow_promotion(engine, models, said.append)
    assert said[1].startswith("the classifier stays as it was: the file of site is not there any more")


def test_a_shadow_looks_too_and_does_not_count(tmp_path: Path) -> None:
    one = save_colour_classifier(tmp_path / "one.onnx", CONTRACT)
    engine = open_engine(ModelSettings(classifier=str(one), shadow=str(one)))
    shadow = shadow_of(engine)
    assert shadow is not None
    assert shadow.told() == f"the shadow {one} says otherwise of none of 0 looks"
    assert engine.classifier.look(BLUE).probabilities.argmax() == 0
    assert shadow.told() == f"the shadow {one} says otherwise of 0.0 % of 1 looks"
    # What another file would say of it: the shadow alone is exchanged here for one that takes blue for green.
    shadow.classifier = Turned(shadow.classifier)
    assert engine.classifier.look(np.concatenate([BLUE, BLUE])).probabilities.argmax(1).tolist() == [0, 0]
    assert shadow.told().endswith("66.7 % of 3 looks: with_mask -> without_mask 2")


class Turned:
    def __init__(self, classifier: ContractClassifier) -> None:
        self.contract, self._classifier = classifier.contract, classifier

    def __call__(self, crops: BGRBatch) -> FloatArray:
        return self._classifier(crops)[:, [1, 0, 2]]

    def look(self, crops: BGRBatch) -> Look:
        return Look(self(crops))


def test_a_shadow_that_cuts_faces_otherwise_is_refused(tmp_path: Path) -> None:
    one = save_colour_classifier(tmp_path / "one.onnx", CONTRACT)
    other = save_colour_classifier(tmp_path / "two.onnx", replace(CONTRACT, crop=CropRule(margin=0.4)))
    with pytest.raises(RequestError, match=r"cannot look in the shadow of .* it has another crop"):
        open_engine(ModelSettings(classifier=str(one), shadow=str(other)))
