"""One attempt at a video, on this machine: what a worker of a cluster does, without the cluster."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskinfer.cluster.attempt import Meter, attempt, record_name
from maskinfer.cluster.jobs import Job, OutFile, Setup
from maskinfer.cluster.models import Models, models_for, open_models
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.jobs.entry import Entry
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.copies.encoding import PLAIN_ENCODING
from maskinfer.engine.sinks.event_targets import EventTargets
from maskinfer.engine.sinks.outputs import Outputs
from tests.helpers.clips import IN_FRONT, cut, write_clip


@pytest.fixture(scope="module")
def models(colour_classifier: Path) -> Models:
    return models_for({"classifier": str(colour_classifier), "det_size_wh": (160, 160)})


@pytest.fixture
def setup(models: Models, tmp_path: Path) -> Setup:
    outputs = Outputs(crops=Path("crops"), events=EventTargets())
    return Setup(
        models.arguments, models.digest, TrackOptions(), PLAIN, PLAIN_ENCODING, outputs,
        records=str(tmp_path / "out/records"), pieces=str(tmp_path / "out/pieces"), piece_s=None,
    )  # fmt: skip


@pytest.fixture
def clip(portrait: BGRFrame, tmp_path: Path) -> Path:
    moved = [np.ascontiguousarray(np.roll(portrait[::2, ::2], i, axis=1)) for i in range(40)]
    return write_clip(tmp_path / "a.mp4", moved, options={"g": "10"})


def job_of(clip: Path, folder: Path) -> Job:
    names = {"video": "a.mp4", "jsonl": "a.mp4.jsonl", "events": "a.mp4.events.jsonl", "crops": "."}
    files = tuple(
        OutFile(kind, name, str(folder / "out" / kind / name), f"out/{kind}/{name}".removesuffix("/."))
        for kind, name in names.items()
    )
    return Job(0, str(clip), "archive/a.mp4", "a.mp4", Entry("a.mp4", "archive/a.mp4", "settings", {}), None, files)


def files_in(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_an_attempt_writes_what_one_machine_writes(models: Models, setup: Setup, clip: Path, tmp_path: Path) -> None:
    outcome = attempt(models.engine, setup, job_of(clip, tmp_path), Meter())
    assert outcome.failure is None
    assert (outcome.frames, outcome.problems) == (40, [])
    plain = Outputs(jsonl=str(tmp_path / "plain.jsonl"))
    run_video(models.engine, clip, tmp_path / "plain.mp4", track=TrackOptions(), outputs=plain, name="archive/a.mp4")
    out = tmp_path / "out"
    assert (out / "jsonl/a.mp4.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert (out / "video/a.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()
    assert (out / "video/a.mp4").stat().st_mode & 0o777 == 0o600
    events = [json.loads(line) for line in (out / "events/a.mp4.events.jsonl").read_text().splitlines()]
    crops = {record["crop"] for record in events if record["crop"]}
    assert crops
    assert all(crop.startswith("out/crops/") and (tmp_path / crop).is_file() for crop in crops)
    assert outcome.line is not None
    assert outcome.line["sizes"]["a.mp4"] == (out / "video/a.mp4").stat().st_size
    assert json.loads((out / "records" / record_name("a.mp4")).read_text()) == outcome.line


def test_what_another_attempt_finished_is_not_done_again(
    models: Models, setup: Setup, clip: Path, tmp_path: Path
) -> None:
    job = job_of(clip, tmp_path)
    first = attempt(models.engine, setup, job, Meter())
    (tmp_path / "out/jsonl/a.mp4.jsonl").unlink()
    again = attempt(models.engine, setup, job, Meter())  # nobody has heard of the first
    assert again.line == first.line
    assert again.frames == 40
    assert not (tmp_path / "out/jsonl/a.mp4.jsonl").exists()
    noted = attempt(models.engine, setup, replace(job, done_as=first.key), Meter())
    assert (noted.was_done, noted.line) == (True, None)


def test_a_long_video_in_pieces(models: Models, setup: Setup, clip: Path, tmp_path: Path) -> None:
    setup, job = replace(setup, piece_s=0.5), job_of(clip, tmp_path)
    split = attempt(models.engine, setup, job, Meter()).split
    assert len(split) == 2
    for _ in range(2):  # the second time they are there
        parts = [attempt(models.engine, setup, replace(job, piece=piece), Meter()) for piece in split]
        assert [part.failure for part in parts] == [None, None]
    assert [part.frames for part in parts] == [0, 0]
    assert len(files_in(tmp_path / "out/pieces")) == 2
    whole = attempt(models.engine, setup, replace(job, pieces=split, may_split=False), Meter())
    assert (whole.frames, whole.failure) == (40, None)
    assert whole.hits > 20  # pictures, of which every second was looked at, and faces
    assert files_in(tmp_path / "out/pieces") == []
    before = (tmp_path / "out/jsonl/a.mp4.jsonl").read_bytes()
    (tmp_path / "out/records" / record_name("a.mp4")).unlink()
    attempt(models.engine, replace(setup, piece_s=None), job, Meter())
    assert (tmp_path / "out/jsonl/a.mp4.jsonl").read_bytes() == before


def test_a_full_disk_is_told_and_leaves_nothing(
    models: Models, setup: Setup, clip: Path, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_disk / "filling").write_bytes(b"\0" * 240_000)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    outcome = attempt(models.engine, setup, job_of(clip, tmp_path), Meter())
    assert outcome.failure is not None
    assert outcome.failure.startswith("archive/a.mp4: ")
    assert "No space left on device" in outcome.failure
    assert outcome.is_full
    assert not (tmp_path / "out").exists()
    assert files_in(small_disk) == ["filling"]


def test_bad_videos_fail_with_the_reason_that_one_machine_gives(models: Models, setup: Setup, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all")
    outcome = attempt(models.engine, setup, job_of(bad, tmp_path), Meter())
    assert outcome.failure is not None
    assert outcome.failure.startswith("archive/a.mp4 is not a video that can be read")
    gone = attempt(models.engine, setup, job_of(tmp_path / "gone.mp4", tmp_path), Meter())
    assert gone.failure == "there is no file archive/a.mp4"
    half = cut(write_clip(tmp_path / "half.mp4", 60, container_options=IN_FRONT), 0.8)
    told = attempt(models.engine, setup, job_of(tmp_path / "half.mp4" if half is None else half, tmp_path), Meter())
    assert told.failure is None
    assert "archive/a.mp4 ended early" in told.problems[0]


def test_models_that_are_not_shipped_travel_along(models: Models) -> None:
    assert set(models.files) == {"classifier"}
    opened = open_models({**models.arguments, "classifier": "/nowhere/colour.onnx"}, models.files)
    assert opened.classifier.contract == models.engine.classifier.contract
    assert opened.detector.contract == models.engine.detector.contract  # type: ignore[attr-defined]
