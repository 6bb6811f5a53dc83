"""What a YAML file says of a foreign model."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maskinfer.cli import main
from maskinfer.engine.faces.classifier import load_classifier
from tests.export.adopt.test_classifier import FLOAT, save_foreign

YAML = """
labels: [with_mask, without_mask, incorrect_mask]
layout: NCHW
colour_order: RGB
output: logits
mean: [123.675, 116.28, 103.53]
std: 58
size: [12, 8]
margin: 0
square: false
version: 3
trained_on: [mine, theirs]
metrics: {accuracy: 0.97}
"""


def adopt_by_yaml(folder: Path, text: str) -> Result:
    (folder / "d.yaml").write_text(text, encoding="utf-8")
    file = save_foreign(folder / "foreign.onnx", FLOAT)
    return CliRunner().invoke(
        main, ["adopt", str(file), str(folder / "out.onnx"), "--description", str(folder / "d.yaml")]
    )


def test_yaml_says_all(tmp_path: Path) -> None:
    assert adopt_by_yaml(tmp_path, YAML).exit_code == 0
    contract = load_classifier(str(tmp_path / "out.onnx")).contract
    assert (contract.version, contract.training_data, contract.metrics) == ("3", ("mine", "theirs"), {"accuracy": 0.97})
    assert (contract.crop.margin, contract.crop.square) == (0, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("labels: abc", "labels is 'abc', expected a list"),
        ("margin: wide", "margin is 'wide', expected a number"),
        ("square: maybe", "square is 'maybe', expected true or false"),
        ("trained_on: 5", "trained_on is 5, expected a list"),
        ("mean: abc", "mean is 'abc', expected a number"),
        ("size: 0", "size is 0, expected a whole number from 1"),
        ("layout: [NCHW]", "layout is ['NCHW'], expected one of NCHW, NHWC"),
        ("layout: CHW", "layout is 'CHW', expected one of NCHW, NHWC"),
        ("metrics: good", "metrics is 'good', expected names and values"),
        ("labels: [a", "while parsing a flow sequence"),
        ("labels: [a, yes]", "labels[1] is True, expected 1 to 64 letters"),
        ("labels: [a, b/c]", "labels[1] is 'b/c', expected 1 to 64 letters"),
        ("std: [1, 0, 1]", "std[1] is 0, expected a number over 0"),
        ("metrics: {accuracy: .nan}", "metrics.accuracy is nan, expected a number"),
        ("labels: " + "[" * 5000, "does not describe a model"),
        ("colour: RGB", "unknown field 'colour', did you mean 'colour_order'?"),
    ],
)
def test_yaml_that_says_something_else_is_one_line(tmp_path: Path, line: str, said: str) -> None:
    key = line.split(":")[0]
    done = adopt_by_yaml(tmp_path, "".join(f"{one}\n" for one in YAML.splitlines() if one.split(":")[0] != key) + line)
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
    assert not (tmp_path / "out.onnx").exists()
