"""Masks on the portrait, whose landmarks are known; what is looked at is the drawing itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskinfer.engine.errors import RequestError
from maskinfer.engine.results import INCORRECT_MASK, WITH_MASK, BGRFrame
from maskinfer.training.data.masks.demo_clip import PORTRAIT_LANDMARKS, PORTRAIT_XYXY
from maskinfer.training.data.masks.draw import STYLES, WEARS, draw_mask, label_of_wear

LANDMARKS, XYXY = np.array(PORTRAIT_LANDMARKS), np.array(PORTRAIT_XYXY)
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_MOUTH, RIGHT_MOUTH = LANDMARKS
MOUTH = (LEFT_MOUTH + RIGHT_MOUTH) / 2
CHIN = MOUTH + 0.68 * (MOUTH - (LEFT_EYE + RIGHT_EYE) / 2)

ASIDE = np.array((18, 0))


def draw(bgr: BGRFrame, style: str = "surgical", wear: str = "correct", seed: int = 0) -> BGRFrame:
    return draw_mask(bgr, LANDMARKS, XYXY, style=style, wear=wear, rng=np.random.default_rng(seed))


def patch(bgr: np.ndarray, xy: np.ndarray, radius: int = 3) -> np.ndarray:
    x, y = np.round(xy).astype(int)
    return bgr[y - radius : y + radius + 1, x - radius : x + radius + 1].astype(int)


def is_changed(before: BGRFrame, after: BGRFrame, xy: np.ndarray) -> bool:
    """Tell whether paint, rather than a shadow's hint, lies around a point; fails where it is half and half."""
    share = float((np.abs(patch(after, xy) - patch(before, xy)).max(2) > 12).mean())
    assert share > 0.8 or share < 0.2, f"{share:.0%} of the pixels around {xy} changed"
    return share > 0.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("wear", "covers_nose", "covers_mouth"),
    [("correct", True, True), ("below_nose", False, True), ("below_mouth", False, False), ("chin", False, False)],
)
def test_each_wear_covers_what_its_label_says(
    portrait: BGRFrame, style: str, seed: int, wear: str, covers_nose: bool, covers_mouth: bool
) -> None:
    drawn = draw(portrait, style, wear, seed)
    assert is_changed(portrait, drawn, NOSE) == covers_nose
    assert is_changed(portrait, drawn, MOUTH) == covers_mouth
    assert not is_changed(portrait, drawn, LEFT_EYE)
    assert not is_changed(portrait, drawn, RIGHT_EYE)
    assert is_changed(portrait, drawn, CHIN) == (wear != "chin")


@pytest.mark.parametrize("wear", WEARS)
def test_every_wear_paints_a_mask(portrait: BGRFrame, wear: str) -> None:
    painted = np.abs(draw(portrait, "surgical", wear).astype(int) - portrait).max(2) > 12
    left, top, right, bottom = XYXY
    assert painted.sum() > 0.08 * (right - left) * (bottom - top)


def test_below_nose_leaves_the_nose_as_it_was(portrait: BGRFrame) -> None:
    for style in STYLES:
        assert np.abs(patch(draw(portrait, style, "below_nose"), NOSE) - patch(portrait, NOSE)).max() <= 4


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_has_the_colour_of_its_style(portrait: BGRFrame, seed: int) -> None:
    def colour(style: str) -> np.ndarray:
        return patch(draw(portrait, style, seed=seed), MOUTH, 8).mean((0, 1))

    blue, green, red = colour("surgical")
    assert blue > green > red
    assert blue > red + 20
    assert colour("n95").min() > 130
    assert np.ptp(colour("n95")) < 25
    assert colour("dark").max() < 80


def test_what_is_around_the_head_stays(portrait: BGRFrame) -> None:
    left, top, right, bottom = XYXY
    margin = 0.5 * (right - left)
    outside = np.ones(portrait.shape[:2], bool)
    outside[int(top) : int(bottom + margin), int(left - margin) : int(right + margin)] = False
    for style in STYLES:
        for wear in WEARS:
            assert (draw(portrait, style, wear)[outside] == portrait[outside]).all()


def test_a_new_picture_of_the_same_kind(portrait: BGRFrame) -> None:
    kept = portrait.copy()
    drawn = draw(portrait)
    assert (portrait == kept).all()
    assert (drawn.dtype, drawn.shape) == (np.uint8, portrait.shape)
    assert not np.shares_memory(drawn, portrait)


def test_seeds_decide(portrait: BGRFrame) -> None:
    for style in STYLES:
        assert (draw(portrait, style, seed=7) == draw(portrait, style, seed=7)).all()
        assert (draw(portrait, style, seed=7) != draw(portrait, style, seed=8)).any()


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("wear", WEARS)
def test_a_turned_face_gets_the_turned_mask(portrait: BGRFrame, wear: str, quarters: int) -> None:
    landmarks, corners, size = LANDMARKS, XYXY.reshape(2, 2), portrait.shape[0]
    for _ in range(quarters):  # as np.rot90 turns pixels
        landmarks, corners = (np.stack((xy[:, 1], size - 1 - xy[:, 0]), 1) for xy in (landmarks, corners))
    box = np.concatenate((corners.min(0), corners.max(0)))
    turned = np.ascontiguousarray(np.rot90(portrait, quarters))
    drawn = draw_mask(turned, landmarks, box, style="surgical", wear=wear, rng=np.random.default_rng(0))
    expected, back = draw(portrait, "surgical", wear).astype(int), np.rot90(drawn, -quarters)
    painted = np.abs(expected - portrait).max(2) > 0
    difference = np.abs(expected - back).max(2)
    # Grain falls elsewhere and edges move by parts of a pixel; a mask that did not turn differs by 30 or more.
    assert difference[painted].mean() < 6
    assert difference[~painted].max() < 30


def test_the_mask_is_lit_like_the_face(portrait: BGRFrame) -> None:
    dim = (portrait * 0.45).astype(np.uint8)
    assert patch(draw(dim), MOUTH, 8).mean() < 0.7 * patch(draw(portrait), MOUTH, 8).mean()
    ramp = np.interp(np.arange(portrait.shape[1]), XYXY[::2], (1, 0.5))[None, :, None]
    from_left = draw((portrait * ramp).astype(np.uint8))
    cheeks = patch(from_left, MOUTH - ASIDE).mean(), patch(from_left, MOUTH + ASIDE).mean()
    even = patch(draw(portrait), MOUTH - ASIDE).mean(), patch(draw(portrait), MOUTH + ASIDE).mean()
    assert cheeks[0] / cheeks[1] > 1.1 * even[0] / even[1]


def test_a_blurred_face_gets_a_blurred_mask(portrait: BGRFrame) -> None:
    def detail(bgr: BGRFrame) -> float:
        grey = cv2.cvtColor(draw(bgr), cv2.COLOR_BGR2GRAY)
        return float(np.abs(cv2.Laplacian(patch(grey, MOUTH, 10).astype(np.float32), cv2.CV_32F)).mean())

    assert detail(cv2.GaussianBlur(portrait, (0, 0), 3)) < 0.5 * detail(portrait)


def test_a_grey_picture_stays_grey(portrait: BGRFrame) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    for style in STYLES:
        assert np.ptp(draw(grey, style).astype(int), axis=2).max() <= 2


@pytest.mark.parametrize("wear", WEARS)
@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_small_and_large_faces(portrait: BGRFrame, wear: str, factor: float) -> None:
    size = round(512 * factor)
    scaled = cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(0)
    drawn = draw_mask(scaled, LANDMARKS * factor, XYXY * factor, style="dark", wear=wear, rng=rng)
    reference = np.abs(draw(portrait, "dark", wear).astype(int) - portrait).max(2) > 12
    painted = np.abs(drawn.astype(int) - scaled).max(2) > 12
    assert painted.sum() / factor**2 == pytest.approx(reference.sum(), rel=0.3)


@pytest.mark.parametrize("shift", [(-200, 0), (0, -110), (150, 420), (-5000, 0)])
def test_a_face_that_reaches_past_the_border(portrait: BGRFrame, shift: tuple[int, int]) -> None:
    """What is seen of the mask is what is seen of it in the whole picture."""
    x, y = shift
    window = portrait[max(0, -y) : 512 - y, max(0, -x) : 512 - x]
    if not window.size:
        window = portrait[:50, :50]
    moved = np.array((min(0, x), min(0, y)))
    rng = np.random.default_rng(0)
    drawn = draw_mask(window, LANDMARKS + moved, XYXY + np.tile(moved, 2), style="dark", wear="correct", rng=rng)
    assert drawn.shape == window.shape
    if shift == (-5000, 0):
        assert (drawn == window).all()
    elif x < 0:
        assert is_changed(window, drawn, MOUTH + moved)


def test_a_turned_head_hides_the_far_strap(portrait: BGRFrame) -> None:
    """With the nose near the right eye the head looks to the image's right, and only its left ear is seen."""
    plain = np.full_like(portrait, 128)
    turned = LANDMARKS + np.array([[0, 0], [-12, 0], [14, 0], [6, 0], [-8, 0]])
    drawn = draw_mask(plain, turned, XYXY, style="dark", wear="correct", rng=np.random.default_rng(0))
    columns = np.flatnonzero((np.abs(drawn.astype(int) - 128).max(2) > 20).any(0))
    eyes = turned[:2, 0]
    assert eyes[0] - columns.min() > 2 * (columns.max() - eyes[1])


def test_labels() -> None:
    assert label_of_wear("correct") == WITH_MASK
    assert {label_of_wear(wear) for wear in WEARS if wear != "correct"} == {INCORRECT_MASK}


def test_what_cannot_be_drawn(portrait: BGRFrame) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RequestError, match="unknown wear 'sideways': choose one of correct, below_nose"):
        label_of_wear("sideways")
    with pytest.raises(RequestError, match="unknown wear 'sideways'"):
        draw(portrait, wear="sideways")
    with pytest.raises(RequestError, match="unknown style 'silk': choose one of surgical, n95"):
        draw(portrait, style="silk")
    for landmarks, reason in ((np.zeros((5, 2)), "at one point"), (LANDMARKS * (0, 1), "on a line")):
        with pytest.raises(RequestError, match=reason):
            draw_mask(portrait, landmarks, XYXY, style="dark", wear="chin", rng=rng)
