"""A video that is looked at in pieces and joined gives what it gives as a whole, to the byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import maskinfer
from maskinfer.cluster.memo import Memo, picture_key
from maskinfer.cluster.pieces import Joined, Piece, look_at, plan_pieces
from maskinfer.engine.engine import Engine
from maskinfer.engine.errors import SourceError
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.jobs.video import run_video
from maskinfer.engine.results import BGRFrame
from maskinfer.engine.sinks.outputs import Outputs
from tests.helpers.clips import cut, write_clip

OPEN_GROUPS = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:open-gop=1:bframes=2"}


@pytest.fixture(scope="module")
def engine(colour_classifier: Path) -> Engine:
    return maskinfer.load(classifier=str(colour_classifier), det_size_wh=(160, 160), threads=1)


@pytest.fixture(scope="module")
def moving(portrait: BGRFrame) -> list[BGRFrame]:
    """Sixty different pictures of one face that moves and changes its colour."""
    small = portrait[::3, ::3][:170, :170]
    return [np.ascontiguousarray(np.roll(small, i, axis=1) // 2 + np.uint8(2 * i)) for i in range(60)]


CLIPS = {
    "open groups": {"name": "a.mkv", "options": OPEN_GROUPS, "b_frames": 2},
    "mpeg-2 in a transport stream": {"name": "a.ts", "codec": "mpeg2video", "options": {"g": "12"}, "b_frames": 2},
    "key frames only": {"name": "a.avi", "codec": "mjpeg", "pix_fmt": "yuvj420p"},
}


@pytest.mark.parametrize("what", CLIPS)
@pytest.mark.parametrize(
    ("track", "every", "looks_per_s"), [(True, 1, None), (True, 2, None), (False, 1, None), (True, 2, 15)]
)
def test_joined_pieces_are_the_whole(
    engine: Engine,
    moving: list[BGRFrame],
    tmp_path: Path,
    what: str,
    track: bool,
    every: int,
    looks_per_s: float | None,
) -> None:
    engine = replace(engine, looks_per_s=looks_per_s)
    settings = dict(CLIPS[what])
    clip = write_clip(tmp_path / str(settings.pop("name")), moving, **settings)  # type: ignore[arg-type]
    options = TrackOptions(detect_every=None if looks_per_s else every) if track else None
    pieces = plan_pieces(clip, 0.8)
    assert len(pieces) >= 2
    assert pieces[0].first_frame == 0
    memos = [look_at(engine, clip, piece, options, lambda result: None) for piece in pieces]
    for piece, memo in zip(pieces, memos, strict=True):
        memo.save(tmp_path / f"{piece.number}.npz")

    joined = Joined(pieces, lambda number: Memo.load(tmp_path / f"{number}.npz"))
    lines = []
    for name, one in (("joined", joined.engine(engine)), ("whole", engine)):
        out, results = tmp_path / f"{name}.mp4", tmp_path / f"{name}.jsonl"
        run_video(
            one, clip, out, track=options, outputs=Outputs(jsonl=str(results)),
            on_result=lambda result: joined.reach(result.time_s),
        )  # fmt: skip
        lines.append((results.read_bytes(), out.read_bytes()))
    assert lines[0] == lines[1]
    assert lines[0][0].count(b"\n") == 60
    assert b'"label"' in lines[0][0]
    # All pictures were known, of whichever piece; crops are not where tracks go on from one piece to the next.
    assert sum(len(memo.found) for memo in memos) >= 60 // every - len(pieces)
    assert joined.hits > joined.misses


def test_what_was_said_of_pieces_may_be_lost(engine: Engine, moving: list[BGRFrame], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", moving[:30], options=OPEN_GROUPS, b_frames=2)
    joined = Joined(plan_pieces(clip, 0.4), lambda number: Memo())
    results = [tmp_path / "joined.jsonl", tmp_path / "whole.jsonl"]
    for one, file in zip((joined.engine(engine), engine), results, strict=True):
        run_video(one, clip, track=TrackOptions(), outputs=Outputs(jsonl=str(file)))
    assert results[0].read_bytes() == results[1].read_bytes()
    assert joined.hits == 0
    (tmp_path / "other.npz").write_bytes(b"PK no such thing")
    with pytest.raises(SourceError, match="does not hold what models said"):
        Memo.load(tmp_path / "other.npz")


def test_what_is_not_split(moving: list[BGRFrame], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", moving, options=OPEN_GROUPS, b_frames=2)
    assert len(plan_pieces(clip, 0.4)) == 6
    assert plan_pieces(clip, 2.0) == []  # under twice as long
    one_key = write_clip(tmp_path / "b.mp4", moving, options={"g": "250"})
    assert plan_pieces(one_key, 0.4) == []
    cut(clip, 0.7)
    damaged = plan_pieces(clip, 0.4)
    assert all(isinstance(piece, Piece) for piece in damaged)
    (tmp_path / "c.mp4").write_bytes(b"no video")
    assert plan_pieces(tmp_path / "c.mp4", 0.4) == []


def test_pictures_that_differ_have_other_fingerprints(moving: list[BGRFrame]) -> None:
    picture = moving[0].copy()
    keys = {picture_key(Picture(picture))}
    picture[3, 5, 0] ^= 1
    keys.add(picture_key(Picture(picture)))
    picture[3, [5, 6]] = picture[3, [6, 5]]  # the same samples elsewhere
    keys.add(picture_key(Picture(picture)))
    keys.add(picture_key(Picture(picture[:-1])))
    assert len(keys) == 4
    assert picture_key(Picture(picture.copy())) == picture_key(Picture(picture))


def test_a_memo_keeps_what_it_was_told(engine: Engine, moving: list[BGRFrame], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", moving, options=OPEN_GROUPS, b_frames=2)
    piece = replace(plan_pieces(clip, 0.8)[0], end_pts=None)
    memo = look_at(engine, clip, piece, TrackOptions(), lambda result: None)
    memo.save(tmp_path / "0.npz")
    again = Memo.load(tmp_path / "0.npz")
    assert list(again.found) == list(memo.found)
    assert list(again.said) == list(memo.said)
    for key, found in memo.found.items():
        assert np.array_equal(again.found[key].xyxy, found.xyxy)
        assert np.array_equal(again.found[key].scores, found.scores)
    for key, said in memo.said.items():
        assert np.array_equal(again.said[key][0], said[0])
        assert again.said[key][1:] == said[1:]
