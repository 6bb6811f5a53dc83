"""``maskinfer benchmark``: models, jobs, cameras."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import av
import numpy as np
import onnx
import pytest

import maskinfer
from maskinfer.benchmark import capacity
from maskinfer.benchmark.capacity import CameraLoad, find_capacity
from maskinfer.benchmark.fake_camera import read_chunks, served
from maskinfer.benchmark.job_times import time_job
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
from maskinfer.benchmark.synthetic_video import write_film
from maskinfer.benchmark.timing import Timing, summarize, time_in_turn
from maskinfer.console.benchmark import show_report
from maskinfer.engine.catalog.shipped import MODELS_DIR, SHIPPED
from maskinfer.engine.errors import ModelError, ProviderError, RequestError, SourceError
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.detector import load_detector
from maskinfer.engine.flow.stages import record_stages, stage, staged
from maskinfer.export.metadata import write_contract
from tests.commands.test_run import check_error
from tests.commands.test_run import maskinfer as run_maskinfer
from tests.conftest import shared
from tests.helpers.clips import facts, write_clip

TIMING = Timing(30, 10.0, 12.0, 14.0, 10.5, 0.02)
ROW = Row("classifier", "mine", "float", "cpu", 2, 4, TIMING, 400.0, 30.0, 20.0, 1.0, "mine.onnx", 0.99, 0.97)
MACHINE = {"processor": "P", "threads": "2", "onnxruntime": "1"}


def report(*rows: Row, machine: dict[str, str] | None = None) -> Report:
    return Report(machine or MACHINE, Timing(9, 1.0, 1, 1, 1, 0), rows, {"cuda": "no device"})


def at(p50_ms: float, noise: float = 0.02) -> Row:
    return replace(ROW, timing=replace(TIMING, p50_ms=p50_ms, noise=noise))


def test_things_are_timed_in_turn_and_the_slow_one_is_slower() -> None:
    order: list[str] = []

    def slow() -> None:
        order.append("slow")
        time.sleep(0.01)

    times = time_in_turn({"slow": slow, "fast": lambda: order.append("fast")}, 0.2)
    assert times["slow"].p50_ms >= 10 > times["fast"].p50_ms
    assert times["slow"].p50_ms <= times["slow"].p90_ms <= times["slow"].p99_ms
    assert times["slow"].runs == times["fast"].runs >= 15
    assert 0 < order.index("fast", 4) < len(order) - order[::-1].index("slow")  # neither is through before the other


def test_a_machine_that_changes_is_noisy() -> None:
    calls = 0

    def slower_and_slower() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.0005 * calls)

    assert time_in_turn({"drifting": slower_and_slower}, 0.2)["drifting"].is_noisy


def test_a_machine_that_leaps_is_noisy_though_both_halves_are_alike() -> None:
    visits = [[ms] * 3 for ms in (1.0, 1.0, 1.5, 1.5, 1.0, 1.0, 1.5, 1.5)]
    assert summarize(visits).noise == pytest.approx(0.25, abs=0.1)
    assert summarize([[1.0, 1.01, 0.99]] * 8).noise == 0


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


def test_stages_are_measured_only_while_they_are_recorded() -> None:
    with stage("before"):
        pass
    with record_stages() as times:
        for _ in staged(range(3), "making"):
            with stage("using"):
                time.sleep(0.01)
    with stage("after"):
        pass
    assert sorted(times.seconds) == ["making", "using"]
    assert times.seconds["using"] >= 0.03
    assert times.seconds["making"] < 0.02


def test_a_job_is_the_sum_of_its_stages(colour_classifier: Path, portrait: np.ndarray, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [portrait] * 30, rate=25)
    job = time_job(maskinfer.load(classifier=str(colour_classifier), lanes=1), str(clip))
    assert (job.frames, job.faces) == (30, 30)
    assert [one.name for one in job.stages] == [
        "decode", "letterbox", "detect", "boxes", "track", "crop", "classify", "results", "draw", "encode",
    ]  # fmt: skip
    assert sum(one.share for one in job.stages) == pytest.approx(1)
    assert {one.thread for one in job.stages} == {"reader", "engine", "MainThread"}
    assert 0 < job.models_share < 1
    assert job.models_per_second > 0
    assert "busy" in job.limit


def test_a_film_has_its_faces_and_comes_at_its_speed(tmp_path: Path) -> None:
    film = tmp_path / "film.ts"
    write_film(film, (640, 360), 10, 3)
    assert len(facts(film).times) == 60
    chunks, length_s = read_chunks(film)
    assert b"".join(chunk for _, chunk in chunks) == film.read_bytes()
    assert length_s == pytest.approx(6, abs=0.05)
    due_s = chunks[20][0]
    with served(film) as address, urlopen(address) as stream:
        began_s = time.monotonic()
        received = stream.read(sum(len(chunk) for _, chunk in chunks[:21]))
        seconds = time.monotonic() - began_s
    assert film.read_bytes().startswith(received)
    assert due_s - 0.2 < seconds < due_s + 2  # a machine that is busy may be late, never early
    with av.open(str(film)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert len(maskinfer.load()(np.asarray(frame, np.uint8)).faces) == 3


def test_capacity_is_found_by_watching(colour_classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MAX_CAMERAS", 2)
    monkeypatch.setattr(capacity, "_WARM_UP_S", 0.5)
    monkeypatch.setattr(capacity, "_LEAST_SHARE", 0.3)  # a machine that is busy is no reason to fail
    engine = maskinfer.load(classifier=str(colour_classifier))
    easy = CameraLoad(rate=4, size_wh=(320, 192), faces=1, latency_ms=5_000, seconds=2)
    max_cameras, trials = find_capacity(engine, easy)
    assert [trial.cameras for trial in trials][:2] == [1, 2]
    assert max_cameras >= 1
    assert trials[0].faces == pytest.approx(1, abs=0.5)
    max_cameras, trials = find_capacity(engine, replace(easy, latency_ms=0.01))
    assert (max_cameras, len(trials)) == (0, 1)
    with pytest.raises(RequestError, match="expected numbers over 0"):
        CameraLoad(rate=0)


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
        (["--provider", "qnn"], 1, "provider qnn is not in the installed onnxruntime"),
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
        (["--json", "nowhere/a.json"], 1, "there is no folder"),
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
