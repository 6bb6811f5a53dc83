"""Nothing is sent anywhere: the libraries that would report to their makers are kept from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.closed_net import run_in_closed_net

ENGINE_OF_THE_API = "import maskinfer, numpy; maskinfer.load()(numpy.zeros((64, 64, 3), numpy.uint8))"


def test_the_closed_net_sees_what_is_looked_up_and_written(tmp_path: Path) -> None:
    code = "import pathlib, socket; (pathlib.Path.home() / 'x').touch(); socket.getaddrinfo('events.example.org', 443)"
    trace = run_in_closed_net([sys.executable, "-c", code], tmp_path / "home")
    assert trace.code == 1
    assert "events.example.org" in trace.looked_up
    assert trace.files == {"x"}


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_without_us_they_report(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    model = ROOT / "maskinfer/models/mobilenetv2-small-112.onnx"
    code = {
        "onnxruntime": f"import onnxruntime; onnxruntime.InferenceSession({str(model)!r})",
        "openvino": "import openvino",
    }[name]
    trace = run_in_closed_net([sys.executable, "-c", code], tmp_path / "home")
    if not trace.files:
        pytest.skip(f"this {name} reports nothing by itself")
    assert trace.files & {".cache/Microsoft", "intel"}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "maskinfer", "image", "portrait.jpg", "--jsonl", "-"], id="image"),
        pytest.param(["-c", ENGINE_OF_THE_API], id="API"),
    ],
)
def test_a_job_writes_nothing_at_home_and_looks_up_nothing(
    command: list[str], portrait_jpg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(portrait_jpg.parent)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    trace = run_in_closed_net([sys.executable, *command], tmp_path / "home")
    assert trace.code == 0, trace.output
    assert trace.looked_up == set()
    assert trace.files == set()


def test_verify_runs_openvino_without_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "maskinfer", "verify", "mobilenetv2-small-112"]
    trace = run_in_closed_net(command, tmp_path / "home")
    assert "openvino" in trace.output
    assert trace.looked_up == set()
    assert not any(name.startswith(("intel", ".cache/Microsoft")) for name in trace.files)
