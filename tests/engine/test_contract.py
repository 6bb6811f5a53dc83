from __future__ import annotations

import json
import re
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
        ({"contract_version": 99}, "it has version 99, this maskinfer reads version 1"),
        ({"task": "segmenter"}, "task is 'segmenter', expected one of classifier, detector"),
        ({"surprise": 1}, "unknown field 'surprise': it may have name, version, licence, labels"),
        ({"uncertain_bellow": 1}, "unknown field 'uncertain_bellow', did you mean 'uncertain_below'?"),
        ({"labels": ["with_mask"]}, "labels is ['with_mask'], expected a list of 2 or more"),
        ({"labels": ["with_mask", "with_mask"]}, "expected at least two different ones"),
        ({"labels": "abc"}, "labels is 'abc', expected a list of 2 or more"),
        ({"labels": ["a", 2]}, "labels[1] is 2, expected 1 to 64 letters, digits, spaces and any of _ - ."),
        ({"labels": ["a", "b/../c"]}, "labels[1] is 'b/../c', expected 1 to 64 letters, digits,"),
        ({"labels": ["a", ".."]}, "labels[1] is '..', expected 1 to 64 letters, digits,"),
        ({"labels": ["a", "b\n"]}, "labels[1] is 'b\\n', expected 1 to 64 letters, digits,"),
        ({"labels": ["a", "b\x1b[2J"]}, "labels[1] is 'b\\x1b[2J', expected 1 to 64 letters, digits,"),
        ({"labels": ["a", ""]}, "labels[1] is '', expected 1 to 64 letters, digits,"),
        ({"labels": ["a", "b" * 65]}, "expected 1 to 64 letters, digits,"),
        ({"name": "a\nb"}, "name is 'a\\nb', expected one line of text"),
        ({"size_wh": [0, 96]}, "size_wh[0] is 0, expected a whole number from 1 to 16384"),
        ({"size_wh": [96]}, "size_wh is [96], expected a list of 2"),
        ({"size_wh": None}, "size_wh is None, expected a list of 2"),
        ({"size_wh": [96, 9.5]}, "size_wh[1] is 9.5, expected a whole number from 1"),
        ({"uncertain_below": "x"}, "uncertain_below is 'x', expected a number from 0 to 1"),
        ({"uncertain_below": True}, "uncertain_below is True, expected a number from 0 to 1"),
        ({"uncertain_below": 2}, "uncertain_below is 2, expected a number from 0 to 1"),
        ({"uncertain_below": float("nan")}, "uncertain_below is nan, expected a number from 0 to 1"),
        ({"temperature": 0}, "temperature is 0, expected a number over 0"),
        ({"temperature": float("inf")}, "temperature is inf, expected a number over 0"),
        ({"parity": -1}, "parity is -1, expected a number of 0 or more"),
        ({"source_sha256": "ff"}, "source_sha256 is 'ff', expected 64 hexadecimal digits in lower case, or nothing"),
        (
            {"error_thresholds": [[0.1, 0.5], [1, 0.5]]},
            "error_thresholds[1][0] is 1, expected a number over 0 and under 1",
        ),
        ({"error_thresholds": [[0.1]]}, "error_thresholds[0] is [0.1], expected a list of 2"),
        ({"priors": {"with_mask": 0.5, "other": 0}}, "priors.other is 0, expected a number over 0"),
        ({"input": {"std": [1, 0, 1]}}, "input.std[1] is 0, expected a number over 0"),
        ({"input": {"mean": [1, float("-inf"), 1]}}, "input.mean[1] is -inf, expected a number"),
        ({"input": {"layout": "CHWN"}}, "input.layout is 'CHWN', expected one of NCHW, NHWC"),
        ({"input": 3}, "input is 3, expected names and values"),
        ({"crop": {"margin": "wide"}}, "crop.margin is 'wide', expected a number of 0 or more"),
        ({"crop": {"square": 1}}, "crop.square is 1, expected true or false"),
        ({"crop": {"shape": "round"}}, "unknown field 'shape' in crop: it may have square, margin, border"),
        ({"metrics": {"loss": 1, "accuracy": "good"}}, "metrics.accuracy is 'good', expected a number"),
        ({"metrics": {"a": 10**400}}, "metrics.a is 1000"),
        ({"metrics": 1}, "metrics is 1, expected names and values"),
        ({"output": "votes"}, "output is 'votes', expected one of logits, probabilities"),
        ({"face_check": {"detectors": ["d"]}}, "'face_check.proposals_from' is missing"),
        ({"face_check": {**asdict(CHECK), "threshold": 1.5}}, "face_check.threshold is 1.5, expected a number from 0"),
    ],
)
def test_a_broken_contract_is_named(change: dict[str, object], message: str) -> None:
    broken = json.dumps({**json.loads(to_json(CLASSIFIER)), **change})
    with pytest.raises(
        ContractError, match="^the contract in x.onnx cannot be used: .*" + re.escape(message)
    ) as caught:
        from_metadata({METADATA_KEY: broken}, "x.onnx")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"contract_version": 1, "task": "classifier"}', '{"contract_version": 1, "task": []}'],
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match=r"the contract in x\.onnx cannot be used"):
        from_metadata({METADATA_KEY: text}, "x.onnx")


def test_what_is_not_said_is_named() -> None:
    said = json.loads(to_json(CLASSIFIER))
    del said["labels"]
    with pytest.raises(ContractError, match="'labels' is missing"):
        from_metadata({METADATA_KEY: json.dumps(said)}, "x.onnx")


def test_a_contract_that_is_too_large_or_nested_is_refused_in_one_line() -> None:
    large = json.dumps({**json.loads(to_json(CLASSIFIER)), "licence": "x" * 1_000_000})
    with pytest.raises(ContractError, match=r"it has 1,000,\d+ characters, expected at most 1,000,000"):
        from_metadata({METADATA_KEY: large}, "x.onnx")
    for nested in ("[" * 100_000, '{"contract_version": 1, "task": "classifier", "a": ' + '{"a":' * 100_000):
        with pytest.raises(ContractError, match="it is nested too deeply"):
            from_metadata({METADATA_KEY: nested}, "x.onnx")


@pytest.mark.parametrize("label", ["with_mask", "No mask", "v1.2-a", "Maske_ü", "口罩", "x" * 64])
def test_labels_of_any_script_are_read(label: str) -> None:
    contract = replace(CLASSIFIER, labels=("other", label))
    assert from_metadata({METADATA_KEY: to_json(contract)}, "x.onnx") == contract


def test_anchors_must_fit_the_strides() -> None:
    broken = to_json(replace(DETECTOR, anchors=((16.0,),)))
    with pytest.raises(ContractError, match="1 rows of anchors for 3 strides"):
        from_metadata({METADATA_KEY: broken}, "x.onnx")
