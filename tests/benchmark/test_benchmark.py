"""``maskinfer benchmark``: models, jobs, cameras."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from maskinfer.benchmark.predictions import agreement, float_file, precision_of, predict_samples
from maskinfer.benchmark.providers import active_providers
from maskinfer.benchmark.report import (
    Report,
    Row,
    check_machine,
    compare,
    read_report,
    slowdown,
    this_machine,
    write_csv,
    write_json,
)
from maskinfer.benchmark.sweep import Plan, run_sweep
from maskinfer.benchmark.timing import Timing
from maskinfer.console.benchmark import show_report
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import ModelError, ProviderError, RequestError, SourceError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.export.metadata import write_contract
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.conftest import shared

TIMING = Timing(30, 10.0, 12.0, 14.0, 10.5, 0.02)
ROW = Row("classifier", "mine", "float", "cpu", 2, 4, TIMING, 400.0, 30.0, 20.0, 1.0, "mine.onnx", 0.99, 0.97)
MACHINE = {"processor": "P", "threads": "2", "onnxruntime": "1"}


def report(*rows: Row, machine: dict[str, str] | None = None) -> Report:
    return Report(machine or MACHINE, Timing(9, 1.0, 1, 1, 1, 0), rows, {"cuda": "no device"})


def at(p50_ms: float, noise: float = 0.02) -> Row:
    return replace(ROW, timing=replace(TIMING, p50_ms=p50_ms, noise=noise))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = report(ROW, replace(ROW, batch=1, accuracy=None))
    write_json(written, tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == written
    write_csv(written, tmp_path / "r.csv")
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [(row["model"], row["batch"], row["p50_ms"], row["accuracy"]) for row in rows] == [
        ("mine", "4", "10.0", "0.97"),
        ("mine", "1", "10.0", ""),
    ]


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", '{"rows": [{"a": 1}], "machine": {}}'])
def test_a_baseline_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(SourceError, match="is no report of maskinfer benchmark"):
        read_report(tmp_path / "b.json")
    with pytest.raises(SourceError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_only_what_is_beyond_the_noise_got_slower() -> None:
    before = report(at(10.0))
    for now_ms, noise, slower, faster in [
        (10.4, 0.02, False, False),
        (10.8, 0.02, True, False),
        (10.8, 0.10, False, False),
        (9.0, 0.02, False, True),
    ]:
        (change,) = compare(report(at(now_ms, noise)), before)
        assert (change.is_slower, change.is_faster) == (slower, faster)
    assert slowdown(before, before) == 1
    with pytest.raises(RequestError, match="another machine"):
        check_machine(report(ROW, machine={**this_machine(), "processor": "Q"}))
    check_machine(report(ROW, machine=this_machine()))
    with pytest.raises(RequestError, match="no row in common"):
        compare(report(replace(ROW, model="other")), before)


def test_a_sweep_of_two_models(colour_classifier: Path) -> None:
    plan = Plan(("retinaface-mask", str(colour_classifier)), batches=(1, 3), threads=(1,), seconds=0.05)
    found = run_sweep(plan)
    assert [(row.task, row.provider, row.threads, row.batch) for row in found.rows if row.provider == "cpu"] == [
        ("detector", "cpu", 1, 1),
        ("detector", "cpu", 1, 3),
        ("classifier", "cpu", 1, 1),
        ("classifier", "cpu", 1, 3),
    ]
    for row in found.rows:
        assert row.per_second == pytest.approx(row.batch / row.timing.p50_ms * 1e3)
        assert row.load_ms > 0
        assert row.on_provider == 1
        assert row.agreement == 1
        assert row.accuracy is None
    assert [row.reference for row in found.rows[1:3]] == [SHIPPED["retinaface-mask"].file, colour_classifier.name]
    one, three = found.rows[:2]
    assert 5 < one.memory_mb < three.memory_mb
    assert "not in the installed onnxruntime" in found.inactive["cuda" if "cuda" in found.inactive else "tensorrt"]


def test_int8_is_compared_with_the_float_model_of_the_same_weights(colour_classifier: Path, tmp_path: Path) -> None:
    file, whole = (MODELS_DIR / SHIPPED[name].file for name in ("mobilenetv2-128-int8", "mobilenetv2-128"))
    assert (precision_of(file), precision_of(whole)) == ("int8", "float")
    model, truth = (load_classifier(str(one), provider="cpu") for one in (file, whole))
    assert float_file(file, model, [colour_classifier]) == whole
    assert 0.9 < agreement(model, predict_samples(model), predict_samples(truth)) <= 1
    colour = load_classifier(str(colour_classifier), provider="cpu")
    assert float_file(colour_classifier, colour, []) == colour_classifier
    assert agreement(model, predict_samples(colour), predict_samples(truth)) < 0.9  # which goes by colours
    assert agreement(colour, predict_samples(colour), predict_samples(colour)) == 1


def test_detectors_agree_on_what_both_find() -> None:
    detector = load_detector("retinaface-mask", provider="cpu")
    found = predict_samples(detector)
    half = replace(found, said=tuple(boxes[:0] if i % 2 else boxes for i, boxes in enumerate(found.said)))
    assert agreement(detector, found, found) == 1
    assert agreement(detector, half, found) == pytest.approx(2 / 3, abs=0.1)


def test_an_int8_model_whose_float_one_is_not_at_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_report(report(replace(ROW, precision="int8", reference="")))
    assert "*99.0%" in (said := capsys.readouterr().out)
    assert "no float model of the same weights is at hand" in said


def test_a_graph_that_takes_one_frame_a_run(tmp_path: Path) -> None:
    graph = onnx.load(MODELS_DIR / SHIPPED["retinaface-mask"].file)
    write_contract(graph, replace(load_detector("retinaface-mask", provider="cpu").contract, batch=False))
    onnx.save(graph, tmp_path / "one.onnx")
    plan = Plan((str(tmp_path / "one.onnx"),), ("cpu",), batches=(1, 2), threads=(1,), seconds=0.01)
    found = run_sweep(plan)
    assert [row.batch for row in found.rows] == [1]
    assert found.inactive == {f"batches with {tmp_path / 'one.onnx'}": "its graph takes one frame a run"}
    with pytest.raises(RequestError, match="none of the models takes batches of 2"):
        run_sweep(replace(plan, batches=(2,)))


def test_providers_that_do_not_run_are_listed_with_the_reason() -> None:
    active, inactive = active_providers()
    assert active[0] == "cpu"
    assert "azure" not in active + list(inactive)
    assert not set(active) & set(inactive)
    assert all("is not in the installed onnxruntime" in inactive[name] for name in ("qnn", "rknpu"))
    assert active_providers(["CPU", "CPUExecutionProvider"]) == (["cpu"], {})
    with pytest.raises(RequestError, match="auto is no provider to measure"):
        active_providers(["auto"])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batches": (0,)}, "batch is 0"),
        ({"threads": (-1,)}, "threads is -1"),
        ({"seconds": 0.0}, "seconds is 0"),
        ({"precisions": ("fp4",)}, "fp4"),
    ],
)
def test_plans_that_cannot_be(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Plan(**wrong)  # type: ignore[arg-type]


def test_models_and_providers_that_are_not_there() -> None:
    with pytest.raises(ModelError, match="nix"):
        run_sweep(Plan(("nix",)))
    with pytest.raises(ProviderError, match="qnn"):
        run_sweep(Plan(providers=("qnn",)))
    with pytest.raises(RequestError, match="none of the models"):
        run_sweep(Plan(("retinaface-mask",), precisions=("int8",)))
    with pytest.raises(ModelError, match=r"batches of up to 100000000.*[Mm]emory"):
        run_sweep(Plan(("mobilenetv2-128",), ("cpu",), batches=(100_000_000,), threads=(1,)))


def test_from_the_command_line(colour_classifier: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    command = ["benchmark", "--model", colour_classifier, "--batch", "1", "--threads", "1", "--seconds", "0.05"]
    done = run_maskinfer(*command, "--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv", "--plot", tmp_path / "p")
    assert done.returncode == 0, done.stderr
    assert "colour.onnx" in done.stdout
    assert (tmp_path / "p" / "latency.png").stat().st_size > 5_000
    again = run_maskinfer(*command, "--baseline", tmp_path / "a.json")
    assert again.returncode == 0, again.stderr
    assert "of 1 rows" in again.stdout
    record = json.loads((tmp_path / "a.json").read_text())
    record["rows"][0]["timing"].update(p50_ms=1e-6, noise=0.0)
    (tmp_path / "b.json").write_text(json.dumps(record))
    slower = run_maskinfer(*command, "--baseline", tmp_path / "b.json", "--fail-if-slower")
    assert slower.returncode == 1
    assert "slower: " in slower.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--provider", "qnn"], 2, "provider qnn is not in the installed onnxruntime"),
        (["--batch", "0"], 2, "batch is 0, expected at least 1"),
        (["job", "none.mp4"], 2, "there is no file none.mp4"),
        (["capacity", "--size", "5"], 2, "'5' is not a size"),
        (["capacity", "--latency-p95", "soon"], 2, "'soon' is not a time"),
        (
            ["--fail-if-slower"],
            2,
            "--fail-if-slower would do nothing: there is nothing to compare with; add",
        ),
        (
            ["--provider", "cpu", "job", "a.mp4"],
            2,
            "--provider would do nothing: options of `benchmark job` follow",
        ),
        (["--data", "a", "capacity"], 2, "--data would do nothing: options of `benchmark capacity` follow its name"),
        (["job", "a.mp4", "--batch", "4"], 2, "No such option"),
        (["job"], 2, "Missing argument 'CLIP...'"),
        (["--json", "nowhere/a.json"], 2, "there is no folder"),
        (["--plot", "/proc/nowhere"], 1, "cannot write to"),
    ],
)
def test_bad_requests_take_one_line(arguments: list[str], code: int, says: str) -> None:
    check_error(run_maskinfer("benchmark", *arguments), code, says)


@pytest.mark.train
def test_accuracy_on_annotated_scenes(tmp_path: Path) -> None:
    from maskinfer.benchmark.accuracy import predict_scenes

    scenes = shared("data", "dev", "scenes.jsonl")
    few = tmp_path / "scenes.jsonl"
    lines = [json.loads(line) for line in scenes.read_text(encoding="utf-8").splitlines()[::20]]
    few.write_text("".join(json.dumps({**line, "image": str(scenes.parent / line["image"])}) + "\n" for line in lines))
    ask = predict_scenes(few)
    classifier = ask(load_classifier("mobilenetv2-128-int8", provider="cpu"))
    assert classifier.accuracy is not None
    assert 0.9 < classifier.accuracy <= 1
    assert len(classifier.said[0]) > 50
    detector = ask(load_detector("retinaface-mask", provider="cpu"))
    assert detector.accuracy is not None
    assert 0.8 < detector.accuracy < 1
    assert len(detector.said) == len(lines)
