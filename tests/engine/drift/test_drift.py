"""What a camera sees, counted, and when two weeks of it differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from maskinfer.engine.drift.compare import LEAST_PSI, by_chance, dispersion, find_shifts, psi, total
from maskinfer.engine.drift.counts import WHATS, Counts, no_counts
from maskinfer.engine.drift.observe import Observer, look_of
from maskinfer.engine.faces.track import TrackOptions
from maskinfer.engine.frames.picture import Picture
from maskinfer.engine.load import load
from maskinfer.engine.results import BGRFrame, Face, FrameResult
from maskinfer.engine.sources.open import open_source
from tests.conftest import SHARED


def face(track: int | None, label: str = "with_mask", left: float = 10.0, score: float = 0.97) -> Face:
    return Face((left, 10.0, left + 40, 60.0), 0.9, None, label, score, {}, track, 12.5)


def seen(*faces: Face, time_s: float) -> FrameResult:
    return FrameResult("door", 0, time_s, (300, 200), faces)


def test_a_person_counts_once_by_the_mean_of_a_look_a_second(portrait: BGRFrame) -> None:
    observer, grey = Observer(), Picture(np.full((200, 300, 3), 130, np.uint8))
    for i in range(40):
        observer.saw(grey, seen(face(1, left=i), face(2, "without_mask", 200 + i / 4), time_s=i / 10))
    observer.saw(grey, seen(face(None), face(9), time_s=4.5))
    assert not observer.take()["label"]  # both are still there, for all that is known
    observer.saw(grey, seen(time_s=8.0))
    counts = observer.take()
    assert counts["label"] == {"with_mask": 1, "without_mask": 1}  # a face of one frame alone is nobody
    assert counts["place"] == {"upper left": 1, "upper right": 1}
    assert counts["face_px"] == {"32": 2}
    assert counts["face_brightness"] == {"125": 2}
    assert counts["face_sharpness"] == {"12": 2}
    assert counts["score"] == {"0.95": 2}
    assert not any(observer.take().values())


def test_a_picture_counts_every_ten_minutes_and_when_the_clock_begins_anew() -> None:
    observer, dark = Observer(), Picture(np.full((60, 80, 3), 20, np.uint8))
    for minute in range(25):
        observer.saw(dark, seen(time_s=60.0 * minute))
    assert observer.take()["picture_brightness"] == {"0": 3}
    observer.begin_anew()
    observer.saw(dark, seen(time_s=0.0))
    assert observer.take()["picture_brightness"] == {"0": 1}


def test_a_picture_out_of_focus_is_less_sharp_whatever_its_light(portrait: BGRFrame) -> None:
    brightness, sharp = look_of(Picture(portrait.copy()))
    assert look_of(Picture((portrait * 0.5).astype(np.uint8)))[1] == pytest.approx(sharp, rel=0.1)
    assert look_of(Picture((portrait * 0.5).astype(np.uint8)))[0] == pytest.approx(brightness / 2, rel=0.05)
    assert look_of(Picture(np.asarray(cv2.GaussianBlur(portrait, (0, 0), 6), np.uint8)))[1] < 0.6 * sharp


def test_faces_of_a_real_clip_are_counted() -> None:
    clip = SHARED / "videos" / "chin_mask_640x480.avi"
    if not clip.is_file():
        pytest.skip(f"there is no {clip}")
    engine, observer = load(threads=1, lanes=1), Observer()
    with open_source(str(clip)) as frames:
        for batch in engine.follow(frames, TrackOptions()):
            for frame, result in batch:
                observer.saw(frame.picture, result)
    observer.begin_anew()
    counts = observer.take()
    people = counts["label"].total()
    assert 1 <= people <= 4
    assert all(counts[what].total() == people for what in WHATS if not what.startswith("picture"))
    assert counts["picture_brightness"].total() == counts["picture_sharpness"].total() == 1


def drawn(shares: dict[str, float], people: int, rng: np.random.Generator) -> Counter[str]:
    return Counter(dict(zip(shares, rng.multinomial(people, list(shares.values())).tolist(), strict=True)))


def test_samples_of_one_population_are_rarely_apart_by_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    shares = {"a": 0.3, "b": 0.2, "c": 0.15, "d": 0.1, "e": 0.1, "f": 0.07, "g": 0.05, "h": 0.03}
    indices = np.array([psi(drawn(shares, 400, rng), drawn(shares, 250, rng)) for _ in range(2000)])
    bound = by_chance(len(shares), 400, 250)
    assert (indices > bound).mean() < 0.004  # of which one in a thousand is meant
    assert (indices > bound / 2).mean() > 0.01


USUAL = {
    "label": {"with_mask": 0.8, "without_mask": 0.2},
    "score": {"0.9": 0.2, "0.99": 0.8},
    "face_px": {"48": 0.3, "64": 0.4, "96": 0.3},
    "face_brightness": {"100": 0.5, "125": 0.5},
    "place": {"middle centre": 0.6, "lower centre": 0.4},
    "picture_brightness": {"75": 0.5, "100": 0.5},
}


USUAL = {
    "label": {"with_mask": 0.8, "without_mask": 0.2},
    "score": {"0.9": 0.2, "0.99": 0.8},
    "face_px": {"48": 0.3, "64": 0.4, "96": 0.3},
    "face_brightness": {"100": 0.5, "125": 0.5},
    "place": {"middle centre": 0.6, "lower centre": 0.4},
    "picture_brightness": {"75": 0.5, "100": 0.5},
}


def week(people: int, **moved: dict[str, float]) -> list[Counts]:
    """Return seven days of which each is like the other."""
    rng, days = np.random.default_rng(1), []
    for _ in range(7):
        counts = no_counts()
        for what, shares in {**USUAL, **moved}.items():
            counts[what] = drawn(shares, 144 if what.startswith("picture") else people // 7, rng)  # type: ignore[index]
        days.append(counts)
    return days


def test_what_moved_is_named_with_how_it_was_and_is() -> None:
    assert find_shifts(week(300), week(300)) == ()
    dark = {"50": 0.5, "75": 0.4, "100": 0.1}
    (shift,) = find_shifts(week(300), week(300, face_brightness=dark))
    assert (shift.what, shift.which) == ("face_brightness", "")
    assert shift.psi > LEAST_PSI
    assert shift.before == pytest.approx(125, abs=5)
    assert shift.now == pytest.approx(75, abs=5)
    (shift,) = find_shifts(week(300), week(300, place={"middle centre": 0.1, "lower right": 0.9}))
    assert (shift.what, shift.which) == ("place", "lower right")
    assert (shift.before, shift.now) == (0.0, pytest.approx(0.9, abs=0.05))


def test_few_people_say_nothing_and_small_effects_neither() -> None:
    assert find_shifts(week(300), week(63, face_brightness={"25": 1.0})) == ()
    # Among 50,000 people even this is no chance, but it is no other picture either.
    slightly = {"100": 0.6, "125": 0.4}
    before, now = (total(week(50_000, **more))["face_brightness"] for more in ({}, {"face_brightness": slightly}))
    assert psi(before, now) > by_chance(2, 50_000, 50_000, 3)
    assert find_shifts(week(50_000), week(50_000, face_brightness=slightly)) == ()


def days_of(shares: Sequence[float], seed: int) -> list[Counts]:
    """Return days of each of which such a share of 60 people is dark."""
    rng, found = np.random.default_rng(seed), []
    for share in shares:
        counts = no_counts()
        counts["face_brightness"] = drawn({"25": share, "125": 1 - share}, 60, rng)
        found.append(counts)
    return found


def test_days_that_differ_among_themselves_are_no_news() -> None:
    """Of seven days two were dark and four are now; of a camera all of whose days are alike the same is news."""
    before, now = days_of([1, 1, 0, 0, 0, 0, 0], 0), days_of([0, 1, 0, 1, 1, 0, 1], 1)
    assert dispersion([day["face_brightness"] for day in before]) > 40
    assert find_shifts(before, now) == ()
    before, now = days_of([2 / 7] * 7, 0), days_of([4 / 7] * 7, 1)
    assert dispersion([day["face_brightness"] for day in before]) < 3
    assert [shift.what for shift in find_shifts(before, now)] == ["face_brightness"]
    assert [shift.what for shift in find_shifts(days_of([0.0] * 7, 0), days_of([1.0] * 7, 1))] == ["face_brightness"]
