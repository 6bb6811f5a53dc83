"""What goes into a job comes out of it whole, whatever its outputs are called; and what cannot be is told at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer import EventTargets, MaskinferError, OutputError, Outputs, RequestError, SourceNotFoundError
from maskinfer.engine.frames.annotate import PLAIN
from maskinfer.engine.jobs.archive import run_videos
from maskinfer.engine.jobs.images import run_images
from maskinfer.engine.jobs.journal import JOURNAL
from maskinfer.engine.jobs.render import run_render
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.jobs.watch import Sinks, run_watch
from tests.helpers.clips import write_clip
from tests.helpers.own_models import LightClassifier, RedDetector
from tests.helpers.progress import Watcher


@pytest.fixture(scope="module")
def engine() -> maskinfer.Engine:
    return maskinfer.load(RedDetector(), LightClassifier())


def red(side: int = 80) -> np.ndarray:
    frame = np.full((240, 320, 3), 90, np.uint8)
    frame[60 : 60 + side, 60 : 60 + side] = (10, 10, 250)
    return frame


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, videos and results, from which jobs run."""
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "films"):
        (tmp_path / folder).mkdir()
    cv2.imwrite("photos/team.jpg", red())
    write_clip(tmp_path / "films/f.mp4", [red()] * 5)
    Path("link").symlink_to("photos/team.jpg")
    Path("clip").symlink_to("films/f.mp4")
    os.link("films/f.mp4", "f.partial.mp4")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


Job = Callable[[maskinfer.Engine], object]
OVERWRITING: dict[str, Job] = {
    "results are the picture": lambda e: run_images(e, "photos/team.jpg", outputs=Outputs(jsonl="link")),
    "the table is the picture": lambda e: run_images(e, "link", outputs=Outputs(csv="photos/team.jpg")),
    "results are one of a folder": lambda e: run_images(e, "photos", outputs=Outputs(jsonl="photos/team.jpg")),
    "results are the copy": lambda e: run_images(e, "link", out="q.jpg", outputs=Outputs(jsonl="./q.jpg")),
    "the copy is the picture": lambda e: run_images(e, "photos/team.jpg", out="photos/../photos/team.jpg"),
    "copies go where they come from": lambda e: run_images(e, "photos", out="./photos"),
    "crops go where pictures come from": lambda e: run_images(e, "photos", outputs=Outputs(crops=Path("photos"))),
    "crops are the copy": lambda e: run_images(e, "link", out="q.jpg", outputs=Outputs(crops=Path("q.jpg"))),
    "results are the video": lambda e: run_video(e, "films/f.mp4", "o.mp4", outputs=Outputs(jsonl="clip")),
    "events are the video": lambda e: run_video(e, "clip", outputs=Outputs(events=EventTargets("films/f.mp4"))),
    "results are the new video": lambda e: run_video(e, "clip", "o.mp4", outputs=Outputs(jsonl="o.mp4")),
    "a stopped one is the video": lambda e: run_video(e, "f.partial.mp4", "f.mp4"),
    "videos go where they come from": lambda e: run_videos(e, ["films"], Path("films")),
    "crops go where videos come from": lambda e: run_videos(
        e, ["films"], Path("o"), outputs=Outputs(crops=Path("films"))
    ),
    "a folder named as a video": lambda e: run_videos(e, ["films"], Path("x.mp4")),
    "a folder named as results": lambda e: run_videos(e, ["films"], Path("o"), outputs=Outputs(jsonl="r.jsonl")),
    "a watch's results are its source": lambda e: run_watch(
        e, ["film=films/f.mp4"], sinks=Sinks(outputs=Outputs(jsonl="clip"))
    ),
    "a watch's results are its source's URL": lambda e: run_watch(
        e, [f"file://{Path.cwd()}/films/f.mp4"], sinks=Sinks(outputs=Outputs(jsonl="films/f.mp4"))
    ),
    "a watch's events are its source": lambda e: run_watch(
        e, ["clip"], sinks=Sinks(outputs=Outputs(events=EventTargets("films/f.mp4")))
    ),
    "a recording is its source": lambda e: run_watch(e, ["clip"], sinks=Sinks(record=Path("films/f.mp4"))),
    "a recording is the results": lambda e: run_watch(
        e, ["clip"], sinks=Sinks(record=Path("r.mp4"), outputs=Outputs(jsonl="r.mp4"))
    ),
    "results are named as a folder": lambda e: run_images(e, "link", outputs=Outputs(jsonl="new/")),
    "results are another picture": lambda e: run_images(e, "link", outputs=Outputs(jsonl="photos/other.png")),
}  # fmt: skip


@pytest.mark.parametrize("job", OVERWRITING.values(), ids=OVERWRITING)
def test_no_output_replaces_an_input_or_another_output(engine: maskinfer.Engine, here: Path, job: Job) -> None:
    before = contents(here)
    with pytest.raises(RequestError, match=r"overwritten|two outputs|in use|named as"):
        job(engine)
    assert contents(here) == before


def test_a_video_drawn_again_replaces_neither_source_nor_results(engine: maskinfer.Engine, here: Path) -> None:
    run_video(engine, "films/f.mp4", outputs=Outputs(jsonl="r.jsonl"))
    Path("drawn.mp4").symlink_to("r.jsonl")
    before = contents(here)
    for out in ("films/f.mp4", "drawn.mp4"):
        with pytest.raises(RequestError, match="would be overwritten"):
            run_render("clip", Path("r.jsonl"), Path(out), style=PLAIN)
    with pytest.raises(OutputError, match="there is no folder") as refused:
        run_render("clip", Path("r.jsonl"), Path("no/such/a.mp4"), style=PLAIN)
    assert refused.value.exit_code == 2
    assert contents(here) == before


IMPOSSIBLE: dict[str, Job] = {
    "the copy's folder is missing": lambda e: run_images(e, "link", out="no/such/b.png"),
    "copies go where a file is": lambda e: run_images(e, "link", out="notes"),
    "results go where a folder is": lambda e: run_images(e, "link", outputs=Outputs(jsonl="films")),
    "results go nowhere": lambda e: run_images(e, "link", outputs=Outputs(jsonl="")),
    "results go to this folder": lambda e: run_video(e, "clip", outputs=Outputs(csv=".")),
    "crops go where a file is": lambda e: run_images(e, "link", outputs=Outputs(crops=Path("notes"))),
    "the video's folder is missing": lambda e: run_video(e, "clip", "no/such/a.mp4"),
    "the table's folder is missing": lambda e: run_video(e, "clip", outputs=Outputs(csv="no/such/a.csv")),
    "videos go where a file is": lambda e: run_videos(e, ["films"], Path("notes")),
    "many results go where a file is": lambda e: run_videos(e, ["films"], Path("o"), outputs=Outputs(jsonl="notes")),
    "the recording's folder is missing": lambda e: run_watch(e, ["clip"], sinks=Sinks(record=Path("no/such/a.mp4"))),
    "the recording is a folder": lambda e: run_watch(e, ["clip"], sinks=Sinks(record=Path("folder.mp4"))),
    "the log's folder is missing": lambda e: run_watch(
        e, ["clip"], sinks=Sinks(outputs=Outputs(jsonl="no/such/a.jsonl"))
    ),
    "the log is a folder": lambda e: run_watch(e, ["clip"], sinks=Sinks(outputs=Outputs(jsonl="films"))),
}  # fmt: skip


@pytest.mark.parametrize("job", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_written_is_told_before_anything_is_begun(engine: maskinfer.Engine, job: Job) -> None:
    Path("notes").write_text("kept")
    Path("folder.mp4").mkdir()
    with pytest.raises(OutputError) as refused:
        job(engine)
    assert refused.value.exit_code == 2
    assert not Path("no").exists()
    assert Path("notes").read_text() == "kept"


@pytest.mark.parametrize("sources", [["gone.mp4"], ["gone.mp4", "lost.mp4"], ["empty"]])
def test_a_watch_of_nothing_that_is_there(engine: maskinfer.Engine, sources: list[str]) -> None:
    Path("empty").mkdir()
    with pytest.raises(SourceNotFoundError) as refused:
        run_watch(engine, sources)
    assert refused.value.exit_code == 2


def test_an_unreadable_source_is_a_job_that_failed(engine: maskinfer.Engine) -> None:
    Path("notes.mp4").write_text("not a video at all")
    for job in (lambda: run_watch(engine, ["notes.mp4"]), lambda: run_video(engine, "notes.mp4")):
        with pytest.raises(MaskinferError) as failed:
            job()
        assert failed.value.exit_code == 1


def test_outputs_inside_the_folder_that_is_read_are_no_sources(engine: maskinfer.Engine, here: Path) -> None:
    said = Watcher()
    for _ in range(2):
        outputs = Outputs(crops=Path("photos/crops"), jsonl="photos/results.jsonl")
        summary = run_images(engine, "photos", out="photos/drawn", outputs=outputs, progress=said)
        assert (summary.frames, summary.problems) == (1, [])
        summary = run_videos(engine, ["films"], Path("films/drawn"), outputs=Outputs(jsonl="films/results"))
        assert (summary.frames + 5 * summary.skipped, summary.problems) == (5, [])
    assert sorted(names("photos/drawn")) == ["team.jpg"]
    assert len(names("photos/crops")) == 1
    assert sorted(names("films/drawn")) == [JOURNAL, "f.mp4"]
    assert any(f"{here}/photos/drawn is left out" in line for line in said.lines)


def test_crops_replace_no_picture_that_is_read(engine: maskinfer.Engine, here: Path) -> None:
    run_images(engine, "photos/team.jpg", outputs=Outputs(crops=Path("crops")))
    (crop,) = (here / "crops").iterdir()
    crop.write_bytes(Path("photos/team.jpg").read_bytes())
    kept = crop.read_bytes()
    run_images(engine, ["photos/team.jpg", str(crop)], outputs=Outputs(crops=Path("crops")))
    assert crop.read_bytes() == kept
    assert crop.with_stem(f"{crop.stem}_002").exists()


def test_a_journal_that_cannot_be_read_or_written(engine: maskinfer.Engine) -> None:
    Path("out").mkdir()
    Path("out", JOURNAL).write_bytes(b'\xff\xfe{"key": "torn\n\0\0\0')
    assert run_videos(engine, ["films"], Path("out")).problems == []
    Path("other", JOURNAL).mkdir(parents=True)
    with pytest.raises(OutputError, match="it is a folder"):
        run_videos(engine, ["films"], Path("other"))


def test_recordings_are_named_as_they_are(engine: maskinfer.Engine, here: Path) -> None:
    Path("rec.mp4").write_text("of an earlier watch")
    _, (report,) = run_watch(engine, ["clip"], sinks=Sinks(record=here / "rec.mp4"))
    (file,) = report.recorded
    assert file.name.startswith("rec-2")
    assert file.is_file()
    _, reports = run_watch(engine, ["clip", "f.partial.mp4"], sinks=Sinks(record=here / "two.mp4"))
    assert [[path.name for path in report.recorded] for report in reports] == [["two-1.mp4"], ["two-2.mp4"]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_that_shows_only_at_the_end(engine: maskinfer.Engine) -> None:
    Path("full.tif").symlink_to("/dev/full")
    jobs: list[Callable[[], object]] = [
        lambda: run_images(engine, "link", outputs=Outputs(jsonl="/dev/full")),
        lambda: run_images(engine, "link", outputs=Outputs(csv="/dev/full")),
        lambda: run_images(engine, "link", out="full.tif"),
        lambda: run_video(engine, "clip", outputs=Outputs(csv="/dev/full")),
    ]
    for job in jobs:
        with pytest.raises(OutputError, match="No space left") as failed:
            job()
        assert failed.value.exit_code == 1


def test_results_stay_if_the_source_is_all_that_fails(engine: maskinfer.Engine) -> None:
    Path("photos/broken.jpg").write_text("no picture")
    summary = run_images(engine, "photos", outputs=Outputs(jsonl="r.jsonl"))
    assert len(summary.problems) == 1
    assert [json.loads(line)["source"] for line in Path("r.jsonl").read_text().splitlines()] == ["photos/team.jpg"]
