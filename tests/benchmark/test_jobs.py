"""Whole jobs stage by stage, and how many cameras a machine holds."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import av
import numpy as np
import pytest

import maskinfer
from maskinfer.benchmark import capacity
from maskinfer.benchmark.capacity import CameraLoad, Trial, find_capacity
from maskinfer.benchmark.fake_camera import read_chunks, served
from maskinfer.benchmark.job_times import time_job
from maskinfer.benchmark.synthetic_video import write_film
from maskinfer.console import benchmark as console
from maskinfer.engine.errors import RequestError
from maskinfer.engine.flow.stages import record_stages, stage, staged
from tests.helpers.clips import facts, write_clip


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
    monkeypatch.setattr(capacity, "LEAST_SHARE", 0.3)  # a machine that is busy is no reason to fail
    engine = maskinfer.load(classifier=str(colour_classifier))
    easy = CameraLoad(rate=4, size_wh=(320, 192), faces=1, latency_ms=5_000, seconds=2)
    max_cameras, trials = find_capacity(engine, easy)
    assert [trial.cameras for trial in trials][:2] == [1, 2]
    assert max_cameras >= 1
    assert trials[0].faces == pytest.approx(1, abs=0.5)
    max_cameras, trials = find_capacity(engine, replace(easy, latency_ms=0.01))
    assert (max_cameras, len(trials)) == (0, 1)
    assert "too many, results came later than 0.01 ms" in str(trials[0])
    with pytest.raises(RequestError, match="expected numbers over 0"):
        CameraLoad(rate=0)


def test_what_more_cameras_need_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "available_threads", lambda: 2)
    trials = [Trial(n, 15.0, 1.0, 40.0, 80.0, 5.0, n / 6, "") for n in (1, 2, 4, 8, 9)]
    console.show_capacity(9, trials, CameraLoad())
    said = capsys.readouterr().out
    assert "this machine holds 9 cameras of 1920x1080, 15 frames/s, 5 faces" in said
    assert "held: each camera gets results for at least 97% of its frames" in said
    assert "9 cameras kept 1.5 of 2 cores busy; of such cores 16 cameras need about 4, 32" in said
