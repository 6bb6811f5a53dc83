from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from maskinfer.engine.results import INCORRECT_MASK, WITHOUT_MASK, BGRFrame
from maskinfer.engine.schema import from_plain
from maskinfer.training.classifier.augment import Place, camera
from maskinfer.training.classifier.recipe import Augmentation
from maskinfer.training.data.masks.clothes import draw_collar, draw_hood, draw_scarf
from maskinfer.training.data.masks.hidden_mouth import hide_mouth
from maskinfer.training.data.masks.layers import Draw, FacePlace, composite
from maskinfer.training.data.masks.occluders import occlude

SIDE, FACE_SHARE = 224, 1 / 1.9
PLACE = Place(crop_share=0.7, face_share=FACE_SHARE)
NOTHING = Augmentation(rotate=False, photometric=False, low_resolution=0, blur=0, cutout=0, occluders=0, jpeg=0)
SHARES = [f.name for f in fields(Augmentation) if f.type == "Share"]
NOSE, MOUTH = 0.58, 0.76
SEEDS = range(120)


def chequered() -> BGRFrame:
    cells = np.indices((SIDE, SIDE)).sum(0) // 2 % 2
    return np.repeat(cells[..., None] * 100 + 80, 3, 2).astype(np.uint8)


def through(occluded: BGRFrame, y: float) -> float:
    """Return the share of the pattern's contrast that is left in the middle of the face, at a height of its box."""
    row = round(SIDE / 2 + (y - 0.5) * SIDE * FACE_SHARE)
    patch = (slice(row - 4, row + 4), slice(SIDE // 2 - 4, SIDE // 2 + 4))
    return float(occluded[patch].std() / chequered()[patch].std())


def seen(augmented: Augmentation, picture: BGRFrame, seed: int = 0) -> BGRFrame:
    return camera(picture, np.random.default_rng(seed), 96, PLACE, augmented, WITHOUT_MASK)


def test_nothing_hides_what_an_incorrectly_worn_mask_leaves_bare_nor_where_it_may_lie() -> None:
    views = [occlude(chequered(), np.random.default_rng(seed), FACE_SHARE, clear=True) for seed in SEEDS]
    eyes_to_chin = (0.25, 0.4, NOSE, MOUTH, 0.95)
    assert min(through(view, y) for view in views for y in eyes_to_chin) > 0.3


def test_no_thing_is_more_frequent_with_one_label_than_with_others() -> None:
    """What is drawn before a badly worn mask is what any other face would have had from the same draw, or nothing."""
    changed = 0
    for seed in SEEDS:
        clear, any_ = (
            occlude(chequered(), np.random.default_rng(seed), FACE_SHARE, clear=clear) for clear in (True, False)
        )
        assert np.array_equal(clear, any_) or np.array_equal(clear, chequered())
        changed += not np.array_equal(clear, chequered())
    assert 0 < changed < len(SEEDS) / 4


@pytest.mark.parametrize("draw", [draw_scarf, draw_collar, draw_hood])
def test_clothes_leave_the_face_bare(draw: Draw) -> None:
    face = FacePlace(SIDE / 2, SIDE / 2, SIDE * FACE_SHARE)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        view = composite(chequered(), draw(chequered(), face, rng), rng)
        assert min(through(view, y) for y in (0.3, 0.4, NOSE, MOUTH)) > 0.7
        assert 0.03 < np.mean((view != chequered()).any(2)) < 0.85


def test_otherwise_mouths_are_hidden_often_but_faces_never_wholly() -> None:
    views = [occlude(chequered(), np.random.default_rng(seed), FACE_SHARE, clear=False) for seed in SEEDS]
    assert 0.1 < np.mean([through(view, MOUTH) < 0.3 for view in views]) < 0.7
    shares = [np.mean(view == chequered()) for view in views]
    assert min(shares) > 0.4
    assert max(shares) < 1


def test_mouths_that_are_to_be_hidden_mostly_are_and_eyes_are_not() -> None:
    views = [hide_mouth(chequered(), np.random.default_rng(seed), FACE_SHARE) for seed in SEEDS]
    assert np.mean([through(view, MOUTH) < 0.5 for view in views]) > 0.4
    assert np.mean([through(view, 0.36) > 0.8 for view in views]) > 0.9


@pytest.mark.parametrize("label", [None, INCORRECT_MASK])
def test_only_a_bare_mouth_is_hidden(label: str | None) -> None:
    hidden = replace(NOTHING, hidden_mouths=1.0)
    bare = camera(chequered(), np.random.default_rng(0), 96, PLACE, hidden, WITHOUT_MASK)
    other = camera(chequered(), np.random.default_rng(0), 96, PLACE, hidden, label)
    plain = camera(chequered(), np.random.default_rng(0), 96, PLACE, NOTHING, label)
    assert len(np.unique(other)) <= len(np.unique(plain)) < len(np.unique(bare))


def test_a_thing_follows_from_the_seed_and_leaves_its_window_alone() -> None:
    window = chequered()
    views = [occlude(window, np.random.default_rng(seed), FACE_SHARE, clear=False) for seed in (1, 1, 2)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    assert np.array_equal(window, chequered())


def test_a_thing_before_a_dark_face_is_dark() -> None:
    dark, light = (np.full((SIDE, SIDE, 3), value, np.uint8) for value in (20, 200))
    brightest = [
        max(int(occlude(window, np.random.default_rng(seed), FACE_SHARE, clear=False).max()) for seed in SEEDS)
        for window in (dark, light)
    ]
    assert brightest[0] < 60 < brightest[1]


def test_without_any_change_a_plain_picture_stays_plain() -> None:
    plain = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert (seen(NOTHING, plain) == 90).all()


@pytest.mark.parametrize("share", ["low_resolution", "blur"])
def test_detail_is_lost_to(share: str) -> None:
    detail = [seen(chosen, chequered()).std() for chosen in (NOTHING, replace(NOTHING, **{share: 1.0}))]
    assert detail[1] < 0.9 * detail[0]


def test_compression_leaves_its_blocks() -> None:
    assert not np.array_equal(seen(NOTHING, chequered()), seen(replace(NOTHING, jpeg=1.0), chequered()))


@pytest.mark.parametrize("change", [{"photometric": True}, {"cutout": 1.0}, {"occluders": 1.0}])
def test_a_plain_picture_is_changed_by(change: dict[str, float]) -> None:
    plain = np.full((SIDE, SIDE, 3), 90, np.uint8)
    views = [seen(replace(NOTHING, **change), plain, seed) for seed in range(12)]
    assert sum(not (view == 90).all() for view in views) >= 9


def test_faces_are_turned_only_when_asked() -> None:
    columns = np.broadcast_to(np.linspace(0, 250, SIDE).astype(np.uint8)[None, :, None], (SIDE, SIDE, 3))
    spread = [seen(replace(NOTHING, rotate=rotate), columns).std(axis=0).max() for rotate in (False, True)]
    assert spread[0] == 0
    assert spread[1] > 5


@pytest.mark.parametrize("share", SHARES)
def test_a_share_lies_between_none_and_all(share: str) -> None:
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{share} is .*, expected a number from 0 to 1"):
            from_plain({share: value}, Augmentation)
