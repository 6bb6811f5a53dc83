"""The best picture of each label."""

from __future__ import annotations

import numpy as np
import pytest

from maskinfer.engine.frames.frame import Frame
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.visits.book import VisitBook
from maskinfer.engine.visits.pictures import quality
from maskinfer.engine.visits.rules import VisitRules
from tests.engine.visits.scenes import SIZE_WH, at, face, feed, moved, of_kind


def frames(count: int) -> list[Frame]:
    """Frames of which each has a grey value of its own."""
    return [Frame("door", i, i / 10, Picture(np.full((480, 640, 3), i, np.uint8))) for i in range(count)]


def test_large_sharp_sure_faces_that_are_not_cut_off_make_good_pictures() -> None:
    good = quality(face(), SIZE_WH)
    assert good == pytest.approx(60 * 0.97)
    worse = [
        face(xyxy=moved(130, 180, (0, 0, 40, 60))),
        face(sharpness=6.0),
        face(score=0.6),
        face(xyxy=(-10, 100, 50, 180)),
        face(xyxy=(100, 420, 160, 500)),
    ]
    assert all(quality(one, SIZE_WH) < good for one in worse)


def test_each_label_has_its_best_picture() -> None:
    scene = [[face(xyxy=moved(320, 300, (0, 0, 40 + 2 * i, 50 + 2 * i)))] for i in range(20)]
    scene += [[face("without_mask", xyxy=moved(320, 300, (0, 0, 80 - i, 90 - i)))] for i in range(20)]
    changes = feed(VisitBook("door", VisitRules(), "r1"), scene, frames=frames(40))
    settled = of_kind(changes, "settled")[0].picture
    better = of_kind(changes, "picture")[-1].picture
    changed = of_kind(changes, "changed")[0].picture
    assert settled is not None
    assert better is not None
    assert changed is not None
    assert (settled.label, better.label, changed.label) == ("with_mask", "with_mask", "without_mask")
    assert settled.quality < better.quality
    # The label was sure five frames after the face had been largest.
    assert changed.at == at(20)
    assert changed.bgr.shape == (180, 160, 3)
    assert set(np.unique(changed.bgr)) == {20}
    assert 1 <= len(of_kind(changes, "picture")) <= 3


def test_a_picture_keeps_what_is_drawn_on_the_frame_out() -> None:
    shown = frames(20)
    book, scene = VisitBook("door", VisitRules(), "r1"), [[face()]] * 20
    changes = feed(book, scene, frames=shown)
    for frame in shown:
        frame.bgr[:] = 255
    picture = of_kind(changes, "settled")[0].picture
    assert picture is not None
    assert picture.bgr.max() < 20


def test_large_faces_are_scaled_down_and_faces_outside_have_no_picture() -> None:
    large = face(xyxy=(10, 10, 610, 470))
    changes = feed(VisitBook("door", VisitRules(), "r1"), [[large]] * 10, frames=frames(10))
    picture = of_kind(changes, "settled")[0].picture
    assert picture is not None
    assert picture.bgr.shape == (384, 512, 3)
    outside = face(xyxy=(700, 10, 760, 70))
    changes = feed(VisitBook("door", VisitRules(), "r1"), [[outside]] * 10, frames=frames(10))
    assert of_kind(changes, "settled")[0].picture is None


def test_who_was_never_sure_has_a_picture_in_the_end() -> None:
    book = VisitBook("door", VisitRules(), "r1")
    feed(book, [[face(score=0.5)]] * 20, frames=frames(20))
    (ended,) = book.close(at(20))
    assert ended.picture is not None
    assert ended.picture.label == "uncertain"
    feed(book, [[face()]] * 20, start=30, frames=frames(20))
    assert book.close(at(60))[0].picture is None


def test_no_pictures_are_kept_that_nobody_wants() -> None:
    changes = feed(VisitBook("door", VisitRules(pictures=False), "r1"), [[face()]] * 20, frames=frames(20))
    assert all(change.picture is None for change in changes)
