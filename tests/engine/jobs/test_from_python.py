"""Jobs as a program starts them: events, gates and sinks of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer import Event, EventOptions, EventTargets, FrameResult, Gate, Outputs, Picture, RequestError, TrackOptions
from maskinfer.engine.results import BGRFrame
from tests.helpers.clips import write_clip
from tests.helpers.own_models import LightClassifier, RedDetector

RATE = 10


@pytest.fixture(scope="module")
def engine() -> maskinfer.Engine:
    return maskinfer.load(RedDetector(), LightClassifier())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain, then a striped red square that moves, for three seconds; 30 frames."""
    frames = []
    for i in range(30):
        frame = np.full((240, 320, 3), 90, np.uint8)
        square = frame[60:140, 60 + 2 * i : 140 + 2 * i]
        square[:] = (10, 10, 250)
        square[::8, 8:-8] = (10, 10, 250) if i < 15 else 250
        frames.append(frame)
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames, rate=RATE)


class Notes:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.frames: list[BGRFrame] = []

    def write(self, frame: Picture, result: FrameResult) -> None:
        self.results.append(result)
        self.frames.append(frame.bgr.copy())


def written(file: Path) -> list[tuple[object, ...]]:
    return [(e["event"], e["frame"], e["label"]) for e in map(json.loads, file.read_text("utf-8").splitlines())]


def found(events: list[Event]) -> list[tuple[object, ...]]:
    return [(event.kind, event.frame, event.label) for event in events]


def test_events_of_results_are_those_of_the_job(engine: maskinfer.Engine, clip: Path, tmp_path: Path) -> None:
    for gate in (Gate(), Gate(min_sharpness=12), Gate(min_face_px=200)):
        options = EventOptions(gate=gate)
        file = tmp_path / "events.jsonl"
        outputs = Outputs(events=EventTargets(str(file), options=options))
        maskinfer.run_video(engine, clip, track=TrackOptions(classify_every=1), outputs=outputs)
        results = engine.iterate(clip, track=TrackOptions(classify_every=1))
        ours = found(list(maskinfer.find_events(results, options, classifier=engine.classifier)))
        assert ours == written(file)
        labels = {label for _, _, label in ours}
        assert labels == ({"uncertain"} if gate.min_face_px else {"uncertain", "covered"})


def test_the_gate_on_sharpness_works_from_python(engine: maskinfer.Engine, clip: Path) -> None:
    results = list(engine.iterate(clip, track=TrackOptions(classify_every=1)))
    assert [(result.faces[0].sharpness or 0) > 30 for result in results] == [False] * 15 + [True] * 15

    def settled(min_sharpness: float) -> list[bool]:
        """Whether each label that settled did so where the square has stripes."""
        events = maskinfer.find_events(results, EventOptions(gate=Gate(min_sharpness=min_sharpness)))
        return [event.frame >= 15 for event in events if event.kind == "settled"]

    assert settled(0) == [False]
    assert settled(30) == [True]
    assert settled(100) == []


def test_events_need_faces_that_are_followed(engine: maskinfer.Engine, clip: Path) -> None:
    with pytest.raises(RequestError, match=r"faces of frame 0 of .*clip\.mp4 were not followed.*track=TrackOptions"):
        list(maskinfer.find_events(engine.iterate(clip)))
    empty = FrameResult("a", 0, 0.0, (64, 48), ())
    assert list(maskinfer.find_events([empty])) == []


def test_a_sink_of_ones_own_gets_every_frame_as_it_came(engine: maskinfer.Engine, clip: Path, tmp_path: Path) -> None:
    notes = Notes()
    out = tmp_path / "annotated.mp4"
    summary = maskinfer.run_video(engine, clip, out, track=TrackOptions(), outputs=Outputs(sinks=(notes,)))
    assert summary.frames == len(notes.results) == 30
    assert [result.frame for result in notes.results] == list(range(30))
    with maskinfer.open_source(clip) as frames:
        for kept, frame in zip(notes.frames, frames, strict=True):
            assert np.array_equal(kept, frame.picture.bgr)
    with maskinfer.open_source(out) as frames:
        assert not np.array_equal(notes.frames[0], next(iter(frames)).picture.bgr)


def test_a_video_without_an_output(engine: maskinfer.Engine, clip: Path) -> None:
    notes = Notes()
    assert maskinfer.run_video(engine, clip, outputs=Outputs(sinks=(notes,))).frames == 30
    assert notes.results == list(engine.iterate(clip))


def test_images_of_one_folder_go_to_sinks_and_files(engine: maskinfer.Engine, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    frame = np.full((120, 120, 3), 90, np.uint8)
    frame[30:90, 30:90] = (10, 10, 250)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), frame)
    notes = Notes()
    lines = tmp_path / "results.jsonl"
    outputs = Outputs(jsonl=str(lines), sinks=(notes,))
    summary = maskinfer.run_images(engine, tmp_path, out=tmp_path / "out", outputs=outputs)
    assert summary.frames == 2
    assert [Path(result.source).name for result in notes.results] == ["a.png", "b.png"]
    assert [np.array_equal(kept, frame) for kept in notes.frames] == [True, True]
    assert [result.labels.tolist() for result in maskinfer.read_results(lines)] == [["covered"]] * 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
