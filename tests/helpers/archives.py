"""An archive made by hand: results as JSON Lines, and the videos that they are of."""

from __future__ import annotations

from pathlib import Path
from random import Random

import cv2
import numpy as np

from maskinfer.engine.files.jsonl import to_line
from maskinfer.engine.results import LABELS, Face, FrameResult
from tests.helpers.clips import write_clip

RATE = 5
SIZE_WH = (320, 180)
VIDEOS = ("1.mp4", "hall/1.mp4", "hall/2.mkv", "door-20261125T081500.mp4", "door-20261126T235930.mp4")
WALL = VIDEOS[3:]


def results_of(name: str, seed: int, seconds: int = 150) -> list[FrameResult]:
    """Return results in which people come and go, change their masks, and are at times not clear."""
    random = Random(seed)
    people = []
    for track in range(1, 9):
        begin = random.randrange(seconds * RATE - 60)
        change = begin + random.randrange(10, 300)
        labels = random.choices((*LABELS, "uncertain"), (4, 3, 2, 1), k=2)
        people.append((track, begin, begin + random.randrange(5, 400), change, labels))
    return [
        FrameResult(name, i, i / RATE, SIZE_WH, tuple(_face(track, i, labels[i >= change])
                    for track, begin, end, change, labels in people if begin <= i < end))
        for i in range(seconds * RATE)
    ]  # fmt: skip


def _face(track: int, frame: int, label: str) -> Face:
    left, top = 5 + 38.0 * (track - 1), 60 + frame % 7
    score = 0.5 if label == "uncertain" else 0.97
    scores = {one: score if one == label else (1 - score) / 2 for one in LABELS}
    bare = "nose" if label == "incorrect_mask" else None
    return Face((left, top, left + 30, top + 40), 0.9, None, label, score, scores, track, 20.0, bare)


def save_results(folder: Path, names: tuple[str, ...] = VIDEOS, seconds: int = 150) -> dict[str, list[FrameResult]]:
    """Write results of each video as ``video --jsonl`` does, and return them."""
    saved = {}
    for seed, name in enumerate(names):
        saved[name] = results_of(name, seed, seconds)
        file = folder / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{to_line(result)}\n" for result in saved[name]))
    return saved


def save_videos(folder: Path, results: dict[str, list[FrameResult]]) -> None:
    """Write the videos: grey, with a white rectangle at each face, whose blue says in which frame it is."""
    for name, some in results.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = []
        for result in some:
            frame = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
            for face in result.faces:
                left, top, right, bottom = (round(v) for v in face.xyxy)
                cv2.rectangle(frame, (left, top), (right, bottom), (255, 255, 255), -1)
            frames.append(frame)
        write_clip(path, frames, rate=RATE)
