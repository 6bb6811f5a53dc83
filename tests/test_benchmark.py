"""``maskinfer benchmark``: models, jobs, cameras."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.benchmark import capacity
from maskinfer.benchmark.agreement import precision_of, reference_of
from maskinfer.benchmark.capacity import Wanted, find_capacity
from maskinfer.benchmark.film import write_film
from maskinfer.benchmark.job import time_job
from maskinfer.benchmark.loop_server import read_chunks, served
from maskinfer.benchmark.rows import Report, Row, compare, read_report, slowdown, write_csv, write_json
from maskinfer.benchmark.sweep import Plan, run_sweep
from maskinfer.benchmark.timing import Timing, time_in_turn
from maskinfer.engine.classifier import load_classifier
from maskinfer.engine.errors import ModelError, ProviderError, RequestError, SourceError
from maskinfer.engine.feeds import open_feeds
from maskinfer.engine.models import MODELS_DIR, SHIPPED
from maskinfer.engine.stages import record_stages, stage, staged
from tests.clips import facts, write_clip
from tests.conftest import shared
from tests.test_cli import check_error
from tests.test_cli import maskinfer as run_maskinfer

TIMING = Timing(30, 10.0, 12.0, 14.0, 10.5, 0.02)
ROW = Row("classifier", "mine", "float", "cpu", 2, 4, TIMING, 400.0, 30.0, 20.0, 1.0, 0.99, 0.97)
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
        compare(report(ROW, machine={**MACHINE, "processor": "Q"}), before)
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
    assert found.rows[0].memory_mb > 5
    assert "not in the installed onnxruntime" in found.inactive["cuda" if "cuda" in found.inactive else "tensorrt"]


def test_int8_is_compared_with_the_float_model_of_the_same_weights(colour_classifier: Path) -> None:
    file = MODELS_DIR / SHIPPED["mobilenetv2-128-int8"].file
    assert precision_of(file) == "int8"
    assert precision_of(MODELS_DIR / SHIPPED["mobilenetv2-128"].file) == "float"
    model = load_classifier("mobilenetv2-128-int8", provider="cpu")
    agreement = reference_of(file, model, [])(model)
    assert 0.9 < agreement <= 1
    colour = load_classifier(str(colour_classifier), provider="cpu")
    assert reference_of(file, model, [])(colour) < 0.9  # which goes by colours
    assert reference_of(colour_classifier, colour, [])(colour) == 1


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
    job = time_job(maskinfer.load(classifier=str(colour_classifier)), str(clip))
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
    engine = maskinfer.load()
    with served(film) as address, open_feeds([address]) as feeds:
        arrived = []
        for batch in feeds.batches(lambda: len(arrived) >= 15):
            arrived.append(batch[0].arrived_s)
            faces = len(engine(batch[0].frame.bgr).faces)
    assert faces == 3
    assert np.median(np.diff(arrived)) == pytest.approx(0.1, abs=0.03)


def test_capacity_is_found_by_watching(colour_classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "MAX_CAMERAS", 2)
    monkeypatch.setattr(capacity, "_WARM_UP_S", 0.5)
    monkeypatch.setattr(capacity, "_LEAST_SHARE", 0.3)  # a machine that is busy is no reason to fail
    engine = maskinfer.load(classifier=str(colour_classifier))
    easy = Wanted(rate=4, size_wh=(320, 192), faces=1, latency_ms=5_000, seconds=2)
    held, trials = find_capacity(engine, easy)
    assert [trial.cameras for trial in trials][:2] == [1, 2]
    assert held >= 1
    assert trials[0].faces == pytest.approx(1, abs=0.3)
    held, trials = find_capacity(engine, replace(easy, latency_ms=0.01))
    assert (held, len(trials)) == (0, 1)
    with pytest.raises(RequestError, match="expected numbers over 0"):
        Wanted(rate=0)


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
        (["--job", "none.mp4"], 2, "there is no file none.mp4"),
        (["--capacity", "--size", "5"], 2, "'5' is no size"),
        (["--capacity", "--latency-p95", "soon"], 2, "'soon' is no time"),
        (["--capacity", "--job", "a.mp4"], 2, "two benchmarks"),
        (["--fail-if-slower"], 2, "needs --baseline"),
        (["--job", "a.mp4", "--model", "mobilenetv2-128", "--model", "mobilenetv2-small-112"], 2, "one classifier"),
    ],
)
def test_bad_requests_take_one_line(arguments: list[str], code: int, says: str) -> None:
    check_error(run_maskinfer("benchmark", *arguments), code, says)


@pytest.mark.train
def test_accuracy_on_annotated_scenes() -> None:
    from maskinfer.benchmark.accuracy import judges

    scenes = shared("data", "dev", "scenes.jsonl")
    of = judges(scenes.parent)
    classifier = of["classifier"](load_classifier("mobilenetv2-128-int8", provider="cpu"))
    assert 0.97 < classifier < 0.99
