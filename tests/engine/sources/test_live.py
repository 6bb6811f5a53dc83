"""What can be watched besides cameras and files: a pipe, folders of images, odd pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import maskinfer
from maskinfer.engine.engine import Engine
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.jobs.watch import Sinks, run_watch
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.outputs import Outputs
from tests.helpers.clips import facts, write_clip


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160))


@pytest.mark.parametrize("command", [["stream", "--no-show", "--source", "-"], ["video", "-"]])
def test_a_pipe(command: list[str], portrait: BGRFrame, colour_classifier: Path, tmp_path: Path) -> None:
    clip, out = write_clip(tmp_path / "a.mkv", [portrait] * 20, sound=["aac"]), tmp_path / "out.jsonl"
    target = ["-o", str(tmp_path / "out.mp4")] if command[0] == "video" else ["--record", str(tmp_path / "out.mp4")]
    results = ["--jsonl", str(out)]
    with clip.open("rb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "maskinfer", *command, *target, *results, "--classifier", str(colour_classifier)],
            stdin=pipe, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(record["source"], record["frame"], len(record["faces"])) for record in records] == [
        ("-", i, 1) for i in range(20)
    ]
    assert len(facts(tmp_path / "out.mp4").times) == 20


def test_a_folder_of_images(engine: Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), portrait)
    (folder / "b.jpg").write_text("no image")
    cv2.imwrite(str(folder / "c.png"), cv2.resize(portrait, (300, 400)))
    sinks = Sinks(record=tmp_path / "rec.mp4", outputs=Outputs(str(tmp_path / "out.jsonl")))
    summary, _ = run_watch(engine, [str(folder)], track=TrackOptions(), sinks=sinks)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(Path(r["source"]).name, r["width"], len(r["faces"])) for r in records] == [
        ("a.png", 512, 1),
        ("c.png", 300, 1),
    ]
    assert "track_id" not in records[0]["faces"][0]
    assert [str(t) for t in facts(tmp_path / "rec.mp4").times] == ["0", "2"]
    assert summary.problems == [
        f"1 image cannot be read: {folder / 'b.jpg'} is not an image that can be read, or it is broken"
    ]


@pytest.mark.parametrize(
    "picture",
    [
        np.full((1, 1, 3), 7, np.uint8),
        np.full((3, 900, 3), 7, np.uint8),
        np.full((701, 5, 3), 7, np.uint8),
        np.full((64, 64), 7, np.uint8),
        np.full((64, 64, 3), 30_000, np.uint16),
        np.full((64, 64, 4), 7, np.uint8),
    ],
    ids=["1 px", "flat", "tall", "grey", "16 bit", "alpha"],
)
def test_odd_pictures(engine: Engine, picture: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture)
    seen = []
    summary, _ = run_watch(engine, [str(folder)], sinks=Sinks(record=tmp_path / "rec.mp4"), on_result=seen.append)
    assert (summary.frames, summary.problems) == (1, [])
    assert seen[0].size_wh == (picture.shape[1], picture.shape[0])
    assert len(facts(tmp_path / "rec.mp4").times) == 1


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p10le", "gray16le", "rgb48le"])
def test_films_of_other_depths(engine: Engine, portrait: BGRFrame, pix_fmt: str, tmp_path: Path) -> None:
    codec = {"yuv420p10le": "libx264", "gray": "ffv1"}.get(pix_fmt, "ffv1")
    clip = write_clip(tmp_path / "a.mkv", [portrait] * 4, codec=codec, pix_fmt=pix_fmt)
    seen = []
    summary, _ = run_watch(engine, [str(clip)], on_result=seen.append)
    assert summary.problems == []
    assert [len(result.faces) for result in seen] == [1] * 4


def test_a_source_that_changes_its_size_is_followed(engine: Engine, portrait: BGRFrame, tmp_path: Path) -> None:
    parts = [
        write_clip(tmp_path / f"{side}.ts", [cv2.resize(portrait, (side, side))] * 12, options={"g": "1"})
        for side in (256, 512)
    ]
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    seen = []
    summary, _ = run_watch(engine, [str(film)], sinks=Sinks(record=tmp_path / "rec.mp4"), on_result=seen.append)
    sizes = [result.size_wh for result in seen]
    assert sizes == sorted(sizes)
    assert sizes.count((256, 256)) >= 10
    assert sizes.count((512, 512)) >= 10
    assert all(len(result.faces) == 1 for result in seen)
    times = [result.time_s for result in seen]
    assert times == sorted(set(times))  # though the second part's clock begins anew
    assert len(facts(tmp_path / "rec.mp4").times) == summary.frames == len(seen)
