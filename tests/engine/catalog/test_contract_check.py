"""Contracts held against real graphs: what the graph itself says has to agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maskinfer.engine.catalog.contract_check import check_graph
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.contract import ClassifierContract, DetectorContract, InputSpec
from maskinfer.engine.errors import ContractError
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.runtime.session import create_session

ABOUT: dict[str, Any] = {"name": "a", "version": "1", "licence": "MIT"}
CLASSIFIER = ClassifierContract(**ABOUT, labels=("one", "two", "three"), size_wh=(16, 16))
SCRFD = DetectorContract(**ABOUT, kind="scrfd", size_wh=(64, 64), fixed_size=True, input=InputSpec("NCHW", "float32"))


def test_a_contract_that_fits(colour_classifier: Path) -> None:
    check_graph(create_session(colour_classifier, provider="cpu"), CLASSIFIER, "a.onnx")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size_wh": (16, 24)}, r"the graph takes \['batch', 16, 16, 3\], its contract says \(N, 24, 16, 3\)"),
        ({"input": InputSpec("NCHW")}, r"its contract says \(N, 3, 16, 16\)"),
        ({"input": InputSpec(dtype="float32")}, r"the graph takes tensor\(uint8\), its contract says float32"),
        ({"labels": ("one", "two")}, "the graph gives 3 columns, its contract 2 labels"),
    ],
)
def test_a_classifiers_contract_that_does_not_fit(change: dict[str, Any], said: str, colour_classifier: Path) -> None:
    session = create_session(colour_classifier, provider="cpu")
    with pytest.raises(ContractError, match=rf"a\.onnx: .*{said}"):
        check_graph(session, replace(CLASSIFIER, **change), "a.onnx")


def test_a_detector_of_any_size_is_held_to_its_channels_only() -> None:
    session = create_session(MODELS_DIR / SHIPPED["retinaface-mask"].file, provider="cpu")
    contract = load_detector("retinaface-mask", provider="cpu").contract
    check_graph(session, replace(contract, size_wh=(320, 320)), "a.onnx")
    with pytest.raises(ContractError, match=r"its contract says \(N, 3, any, any\)"):
        check_graph(session, replace(contract, input=InputSpec("NCHW")), "a.onnx")
    with pytest.raises(ContractError, match="the graph has 3 outputs, a scrfd of its contract 9"):
        check_graph(session, replace(contract, kind="scrfd"), "a.onnx")


def test_the_outputs_of_an_scrfd_follow_from_its_strides_and_landmarks(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from tests.helpers.graphs import save_scrfd

    session = create_session(save_scrfd(tmp_path / "a.onnx", landmarks=True, levels=3), provider="cpu")
    check_graph(session, SCRFD, "a.onnx")
    for change, expected in (({"landmarks": False}, 6), ({"strides": (8, 16)}, 6), ({"kind": "retinaface"}, 3)):
        with pytest.raises(ContractError, match=f"the graph has 9 outputs, a .* of its contract {expected}"):
            check_graph(session, replace(SCRFD, **change), "a.onnx")
