from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from maskinfer.engine.contract import (
    METADATA_KEY,
    ClassifierContract,
    Contract,
    CropRule,
    DetectorContract,
    FaceCheck,
    InputSpec,
    from_metadata,
    to_json,
)
from maskinfer.engine.errors import ContractError

CHECK = FaceCheck(("d",), 0.3, 0.5, 1.0, 0.5, -0.25)
CLASSIFIER = ClassifierContract(
    name="c",
    version="1",
    licence="MIT",
    labels=("with_mask", "without_mask"),
    size_wh=(96, 112),
    input=InputSpec("NCHW", "float32", "RGB", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    crop=CropRule(square=False, margin=0.0, border="black"),
    face_check=CHECK,
    metrics={"accuracy": 0.9},
)
DETECTOR = DetectorContract(
    name="d", version="2", licence="MIT", kind="retinaface", anchors=((16.0,), (32.0,), (64.0,)), metrics={}
)


@pytest.mark.parametrize("contract", [CLASSIFIER, DETECTOR, replace(DETECTOR, kind="scrfd", fixed_size=True)])
def test_a_contract_survives_the_metadata(contract: Contract) -> None:
    assert from_metadata({METADATA_KEY: to_json(contract)}, "x.onnx") == contract


def test_a_missing_contract_says_how_to_add_one() -> None:
    with pytest.raises(ContractError, match=r"x\.onnx carries no contract.*maskinfer export"):
        from_metadata({}, "x.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contract_version": 99}, "version 99, this maskinfer reads version 1"),
        ({"task": "segmenter"}, "task is 'segmenter'"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"labels": ["with_mask"]}, "at least two different"),
        ({"labels": ["with_mask", "with_mask"]}, "at least two different"),
        ({"size_wh": [0, 96]}, "size_wh is 0, expected 1 or more"),
        ({"size_wh": [96]}, r"size_wh is \[96\], expected a list of 2"),
        ({"size_wh": None}, "size_wh is None, expected a list of 2"),
        ({"size_wh": [96, 9.5]}, "size_wh is 9.5, expected a whole number"),
        ({"labels": "abc"}, "labels is 'abc', expected a list"),
        ({"labels": [1, 2]}, "labels is 1, expected text"),
        ({"uncertain_below": "x"}, "uncertain_below is 'x', expected a number"),
        ({"uncertain_below": 2}, "uncertain_below is 2, expected 0 to 1"),
        ({"face_check": {"detectors": ["d"]}}, "it does not say 'proposals_from'"),
        ({"face_check": {**asdict(CHECK), "threshold": 1.5}}, "threshold is 1.5, expected 0 to 1"),
        ({"uncertain_below": float("nan")}, "uncertain_below is nan, expected 0 to 1"),
        ({"temperature": 0}, "temperature is 0, expected over 0"),
        ({"input": {"std": [1, 0, 1]}}, "std is 0, expected over 0"),
        ({"input": 3}, "input is 3, expected an object"),
        ({"crop": {"margin": "wide"}}, "margin is 'wide', expected a number"),
        ({"crop": {"square": 1}}, "square is 1, expected true or false"),
        ({"metrics": {"accuracy": "good"}}, "metrics.accuracy is 'good', expected a number"),
        ({"metrics": 1}, "metrics is 1, expected an object"),
        ({"output": "votes"}, "output is 'votes', expected one of probabilities, logits"),
        ({"input": {"layout": "CHWN"}}, "layout is 'CHWN'"),
        ({"crop": {"shape": "round"}}, "unknown field 'shape'"),
    ],
)
def test_a_broken_contract_is_named(change: dict[str, object], message: str) -> None:
    broken = json.dumps({**json.loads(to_json(CLASSIFIER)), **change})
    with pytest.raises(ContractError, match=message):
        from_metadata({METADATA_KEY: broken}, "x.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"contract_version": 1, "task": "classifier"}'])
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"the contract in x\.onnx cannot be used"):
        from_metadata({METADATA_KEY: text}, "x.onnx")


def test_what_is_not_said_is_named() -> None:
    said = json.loads(to_json(CLASSIFIER))
    del said["labels"]
    with pytest.raises(ContractError, match="it does not say 'labels'"):
        from_metadata({METADATA_KEY: json.dumps(said)}, "x.onnx")


def test_anchors_must_fit_the_strides() -> None:
    broken = to_json(replace(DETECTOR, anchors=((16.0,),)))
    with pytest.raises(ContractError, match="1 rows of anchors for 3 strides"):
        from_metadata({METADATA_KEY: broken}, "x.onnx")
